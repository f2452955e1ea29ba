// The sums of windows of float storage: running where they are exact, by doubling where not.
#pragma once

#include "doubling.hpp"
#include "ratio.hpp"

namespace alphamine {

// What a kernel needs of a register of windows; only the wanted ones are set. `ramp` has weights
// from 1 (oldest) to the window's length (today).
struct Sums {
    Vec<double> x, xx, ramp, y, yy, xy;
};

enum Wanted { kOnlySum = 0, kSquares = 1, kRamps = 2 };

// Goes down a block row by row: (i, k) gives the sums of part k of the row that starts at element i.
template <int wanted>
class RunningSums {
public:
    RunningSums(const float* values, Extent extent, int window)
        : values_(values), back_(window * kStrip), size_(splat(double(window))), unit_(extent.top),
          squares_{{extent, extent, window}, {extent, extent, window}} {
        for (Index i = 0; i < back_ - kStrip; i += kStrip)
            for (int k = 0; k < kParts; ++k) move(load_wide(values + i + k * kPart), Vec<double>{}, k);
    }

    BlockUnit unit() const { return BlockUnit(unit_); }

    Sums operator()(Index i, int k) {
        const float* at = values_ + i + k * kPart;
        move(load_wide(at), load_wide(at - back_), k);
        Sums sums;
        sums.x = sum_[k];
        if constexpr ((wanted & kSquares) != 0) sums.xx = squares_[k].value();
        if constexpr ((wanted & kRamps) != 0) sums.ramp = ramp_[k];
        return sums;
    }

private:
    void move(Vec<double> in, Vec<double> out, int k) {
        // A day later every value weighs one less.
        if constexpr ((wanted & kRamps) != 0) ramp_[k] = (ramp_[k] - sum_[k]) + size_ * in;
        if constexpr ((wanted & kSquares) != 0) squares_[k].replace(in, out);
        sum_[k] += in - out;
    }

    const float* values_;
    Index back_;
    Vec<double> size_, sum_[kParts] = {}, ramp_[kParts] = {};
    int unit_;
    ProductSum squares_[kParts];
};

// Units of products of squares are moved to the middle of the floats' range.
constexpr int kCentre = 12;

class RunningPairs {
public:
    RunningPairs(const Block<float>& x, const Block<float>& y, int window)
        : x_(x.values), y_(y.values), back_(window * kStrip),
          unit_(x.extent.top + y.extent.top - kCentre),
          xx_{{x.extent, x.extent, window}, {x.extent, x.extent, window}},
          yy_{{y.extent, y.extent, window}, {y.extent, y.extent, window}},
          xy_{{x.extent, y.extent, window}, {x.extent, y.extent, window}} {
        for (Index i = 0; i < back_ - kStrip; i += kStrip)
            for (int k = 0; k < kParts; ++k)
                move(load_wide(x_ + i + k * kPart), Vec<double>{}, load_wide(y_ + i + k * kPart),
                     Vec<double>{}, k);
    }

    BlockUnit unit() const { return BlockUnit(unit_); }

    Sums operator()(Index i, int k) {
        const Index at = i + k * kPart;
        move(load_wide(x_ + at), load_wide(x_ + at - back_), load_wide(y_ + at),
             load_wide(y_ + at - back_), k);
        Sums sums;
        sums.x = sum_x_[k];
        sums.y = sum_y_[k];
        sums.xx = xx_[k].value();
        sums.yy = yy_[k].value();
        sums.xy = xy_[k].value();
        return sums;
    }

private:
    void move(Vec<double> x, Vec<double> old_x, Vec<double> y, Vec<double> old_y, int k) {
        sum_x_[k] += x - old_x;
        sum_y_[k] += y - old_y;
        xx_[k].replace(x, old_x);
        yy_[k].replace(y, old_y);
        xy_[k].add(x, y);
        xy_[k].add(-old_x, old_y);
    }

    const float *x_, *y_;
    Index back_;
    int unit_;
    Vec<double> sum_x_[kParts] = {}, sum_y_[kParts] = {};
    ProductSum xx_[kParts], yy_[kParts], xy_[kParts];
};

// The same sums by doubling, for all rows at once. 0.0 is added because a running sum has no -0.
template <int wanted>
class DoubledSums {
public:
    DoubledSums(int window, Arena& arena) : window_(window) {
        for (double*& array : arrays_) array = arena.take<double>(block_cells(window));
    }

    void fill(const Block<float>& block) {
        const auto x = [values = block.values](Index i) { return load_wide(values + i); };
        double *sums = arrays_[0], *squares = arrays_[1], *ramps = arrays_[2];
        if constexpr ((wanted & kSquares) != 0)
            window_products([=](Index i) { return x(i) * x(i); }, squares, sums, block.rows, window_);
        if constexpr ((wanted & kRamps) != 0)
            window_ramps(x, sums, ramps, block.rows, window_);
        else
            window_sums(x, sums, block.rows, window_);
    }

    LaneUnit unit() const { return {}; }

    Sums operator()(Index i, int k) const {
        Sums sums;
        sums.x = load(arrays_[0] + i + k * kPart) + 0.0;
        if constexpr ((wanted & kSquares) != 0) sums.xx = load(arrays_[1] + i + k * kPart);
        if constexpr ((wanted & kRamps) != 0) sums.ramp = load(arrays_[2] + i + k * kPart) + 0.0;
        return sums;
    }

private:
    int window_;
    double* arrays_[3];
};

class DoubledPairs {
public:
    DoubledPairs(int window, Arena& arena) : window_(window) {
        for (double*& array : arrays_) array = arena.take<double>(block_cells(window));
    }

    void fill(const Block<float>& a, const Block<float>& b) {
        const auto x = [values = a.values](Index i) { return load_wide(values + i); };
        const auto y = [values = b.values](Index i) { return load_wide(values + i); };
        double* low = arrays_[0];
        window_products([=](Index i) { return x(i) * x(i); }, arrays_[2], low, a.rows, window_);
        window_products([=](Index i) { return y(i) * y(i); }, arrays_[3], low, a.rows, window_);
        window_products([=](Index i) { return x(i) * y(i); }, arrays_[4], low, a.rows, window_);
        window_sums(x, arrays_[0], a.rows, window_);
        window_sums(y, arrays_[1], a.rows, window_);
    }

    LaneUnit unit() const { return {}; }

    Sums operator()(Index i, int k) const {
        const auto at = [&](int array) { return load(arrays_[array] + i + k * kPart); };
        Sums sums;
        sums.x = at(0) + 0.0;
        sums.y = at(1) + 0.0;
        sums.xx = at(2);
        sums.yy = at(3);
        sums.xy = at(4);
        return sums;
    }

private:
    int window_;
    double* arrays_[5];
};

template <int wanted>
inline bool exact(const Block<float>& block, int window) {
    const Extent x = block.extent;
    return exact_sums(x, window) && (!(wanted & kRamps) || exact_ramps(x, window)) &&
           (!(wanted & kSquares) || exact_products(x, x, window, block.rows));
}
inline bool exact(const Block<float>& a, const Block<float>& b, int window) {
    const Extent x = a.extent, y = b.extent;
    return exact<kSquares>(a, window) && exact<kSquares>(b, window) &&
           exact_products(x, y, window, a.rows);
}

// Runs body(sums, block, first row, first column) over all blocks of one input: sums(i, k) has the
// sums of its windows.
template <int wanted, class Body>
inline void for_summed_blocks(const Call<float>& s, Body body) {
    DoubledSums<wanted> doubled(s.window, *s.arena);
    for_blocks_of(s, [&](const Block<float>& block, Index first, Index c) {
        if (exact<wanted>(block, s.window)) {
            body(RunningSums<wanted>(block.values, block.extent, s.window), block, first, c);
        } else {
            doubled.fill(block);
            body(doubled, block, first, c);
        }
    });
}

template <class Body>
inline void for_summed_pairs(const Call<float>& s, Index lag, Body body) {
    DoubledPairs doubled(s.window, *s.arena);
    for_blocks_of_pairs(s, lag,
                        [&](const Block<float>& x, const Block<float>& y, Index first, Index c) {
                            if (exact(x, y, s.window)) {
                                body(RunningPairs(x, y, s.window), x, y, first, c);
                            } else {
                                doubled.fill(x, y);
                                body(doubled, x, y, first, c);
                            }
                        });
}

}  // namespace alphamine
