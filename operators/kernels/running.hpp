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

// Sums of half a block: one register of doubles a row, so that all of them stay in registers. Goes
// down row by row: (i) gives the sums of the windows whose newest row has its register at element i.
template <int wanted>
class RunningSums {
public:
    // `values`: the first row's register.
    RunningSums(const float* values, Extent extent, int window)
        : back_(window * kStrip), size_(splat(double(window))), squares_(extent, extent, window) {
        for (Index i = 0; i < back_ - kStrip; i += kStrip) move(load_wide(values + i), Vec<double>{});
    }

    Sums operator()(const float* at) {
        move(load_wide(at), load_wide(at - back_));
        Sums sums;
        sums.x = sum_;
        if constexpr ((wanted & kSquares) != 0) sums.xx = squares_.value();
        if constexpr ((wanted & kRamps) != 0) sums.ramp = ramp_;
        return sums;
    }

private:
    void move(Vec<double> in, Vec<double> out) {
        // A day later every value weighs one less.
        if constexpr ((wanted & kRamps) != 0) ramp_ = (ramp_ - sum_) + size_ * in;
        if constexpr ((wanted & kSquares) != 0) squares_.replace(in, out);
        sum_ += in - out;
    }

    Index back_;
    Vec<double> size_, sum_{}, ramp_{};
    ProductSum squares_;
};

// Units of products of squares are moved to the middle of the floats' range.
constexpr int kCentre = 12;

class RunningPairs {
public:
    RunningPairs(const float* x, const float* y, Extent of_x, Extent of_y, int window)
        : back_(window * kStrip), xx_(of_x, of_x, window), yy_(of_y, of_y, window),
          xy_(of_x, of_y, window) {
        for (Index i = 0; i < back_ - kStrip; i += kStrip)
            move(load_wide(x + i), Vec<double>{}, load_wide(y + i), Vec<double>{});
    }

    Sums operator()(const float* x, const float* y) {
        move(load_wide(x), load_wide(x - back_), load_wide(y), load_wide(y - back_));
        Sums sums;
        sums.x = sum_x_;
        sums.y = sum_y_;
        sums.xx = xx_.value();
        sums.yy = yy_.value();
        sums.xy = xy_.value();
        return sums;
    }

private:
    void move(Vec<double> x, Vec<double> old_x, Vec<double> y, Vec<double> old_y) {
        sum_x_ += x - old_x;
        sum_y_ += y - old_y;
        xx_.replace(x, old_x);
        yy_.replace(y, old_y);
        xy_.add(x, y);
        xy_.add(-old_x, old_y);
    }

    Index back_;
    Vec<double> sum_x_{}, sum_y_{};
    ProductSum xx_, yy_, xy_;
};

// The sums of a block's halves, running.
template <int wanted>
struct RunningBlock {
    const Block<float>& block;
    int window;

    BlockUnit unit() const { return BlockUnit(block.extent.top); }
    auto half(Index k) const {
        const float* values = block.values;
        return [=, sums = RunningSums<wanted>(values + k, block.extent, window)](
                   Index i) mutable { return sums(values + i); };
    }
};

struct RunningPairBlock {
    const Block<float>&x, &y;
    int window;

    BlockUnit unit() const { return BlockUnit(x.extent.top + y.extent.top - kCentre); }
    auto half(Index k) const {
        const float *a = x.values, *b = y.values;
        return [=, sums = RunningPairs(a + k, b + k, x.extent, y.extent, window)](
                   Index i) mutable { return sums(a + i, b + i); };
    }
};

// The same sums by doubling, for all rows at once. 0.0 is added because a running sum has no -0.
template <int wanted>
class DoubledBlock {
public:
    DoubledBlock(int window, Arena& arena) : window_(window) {
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

    auto half(Index) const {
        return [=, x = arrays_[0], xx = arrays_[1], ramp = arrays_[2]](Index i) {
            Sums sums;
            sums.x = load(x + i) + 0.0;
            if constexpr ((wanted & kSquares) != 0) sums.xx = load(xx + i);
            if constexpr ((wanted & kRamps) != 0) sums.ramp = load(ramp + i) + 0.0;
            return sums;
        };
    }

private:
    int window_;
    double* arrays_[3];
};

class DoubledPairBlock {
public:
    DoubledPairBlock(int window, Arena& arena) : window_(window) {
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

    auto half(Index) const {
        return [x = arrays_[0], y = arrays_[1], xx = arrays_[2], yy = arrays_[3],
                xy = arrays_[4]](Index i) {
            Sums sums;
            sums.x = load(x + i) + 0.0;
            sums.y = load(y + i) + 0.0;
            sums.xx = load(xx + i);
            sums.yy = load(yy + i);
            sums.xy = load(xy + i);
            return sums;
        };
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

// Runs body(source, block, first row, first column) over all blocks of one input: source.half(k)
// gives the sums of the windows in the half of a block that starts at column k.
template <int wanted, class Body>
inline void for_summed_blocks(const Call<float>& s, Body body) {
    DoubledBlock<wanted> doubled(s.window, *s.arena);
    for_blocks_of(s, [&](const Block<float>& block, Index first, Index c) {
        if (exact<wanted>(block, s.window)) {
            body(RunningBlock<wanted>{block, s.window}, block, first, c);
        } else {
            doubled.fill(block);
            body(doubled, block, first, c);
        }
    });
}

template <class Body>
inline void for_summed_pairs(const Call<float>& s, Index lag, Body body) {
    DoubledPairBlock doubled(s.window, *s.arena);
    for_blocks_of_pairs(s, lag,
                        [&](const Block<float>& x, const Block<float>& y, Index first, Index c) {
                            if (exact(x, y, s.window)) {
                                body(RunningPairBlock{x, y, s.window}, x, y, first, c);
                            } else {
                                doubled.fill(x, y);
                                body(doubled, x, y, first, c);
                            }
                        });
}

}  // namespace alphamine
