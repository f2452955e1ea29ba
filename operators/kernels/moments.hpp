// Means, deviations, correlations of windows.
//
// float storage: sums of values and products in double (exact products), and where the subtraction
// n * sum(x^2) - sum(x)^2 would cost more than seven digits, the windows at hand are done directly.
// double storage: always directly, by two passes like the numpy reference.
#pragma once

#include <type_traits>

#include "call.hpp"
#include "windows.hpp"

namespace alphamine {

template <class T>
constexpr bool kDirect = std::is_same<T, double>::value;

// Share of n * sum(x^2) below which its difference from sum(x)^2 is too inaccurate.
constexpr double kCancelled = 1e-7;

// The windows of one register, moved to their midpoint and scaled by a power of two (both exact in
// effect): no level costs digits, no unit overflows, a constant window has deviations of exactly 0.
class Direct {
public:
    Direct(const Block& block, Index i, int window, Vec<double> n)
        : block_(block), end_(i), window_(window) {
        high = splat(-kInf<double>);
        low = splat(kInf<double>);
        each([&](Vec<double> v, Vec<double> here) {
            high = higher(here > 0.0 ? v : high, high);
            low = lower(here > 0.0 ? v : low, low);
        });
        Mask<double> exponent =
            reinterpret_cast<Mask<double>>(higher(magnitude<double>(high), magnitude<double>(low)));
        exponent = (exponent >> 52) & 0x7ff;
        exponent = exponent < 3 ? Mask<double>{} + 3 : exponent;
        exponent = exponent > 2043 ? Mask<double>{} + 2043 : exponent;
        up = reinterpret_cast<Vec<double>>(exponent << 52);
        down = reinterpret_cast<Vec<double>>((2046 - exponent) << 52);
        middle = high * down * 0.5 + low * down * 0.5;
        Vec<double> total{};
        each([&](Vec<double> v, Vec<double> here) { total += (v * down - middle) * here; });
        offset = total / n;
    }

    // Runs body(value, present) over the window, oldest first.
    template <class Body>
    void each(Body body) const {
        for (Index j = window_ - 1; j >= 0; --j) {
            const Index i = end_ - j * kStrip;
            body(load(block_.values + i), block_.gaps ? load(block_.present + i) : splat(1.0));
        }
    }

    Vec<double> deviation(Vec<double> v, Vec<double> here) const {
        return (v * down - middle - offset) * here;
    }
    // Deviation of today's value x, NaN where it is missing.
    Vec<double> today(Vec<double> x) const { return (x * down - middle - offset) * up; }
    Mask<double> varies() const { return high > low; }
    Vec<double> mean() const { return level(offset); }
    Vec<double> level(Vec<double> moved) const {
        return higher(lower((middle + moved) * up, high), low);
    }

    // Sum of the `power`-th powers of the scaled deviations.
    Vec<double> moment(int power) const {
        Vec<double> total{};
        each([&](Vec<double> v, Vec<double> here) {
            const Vec<double> d = deviation(v, here);
            Vec<double> term = d * d;
            for (int p = 2; p < power; ++p) term *= d;
            total += term;
        });
        return only(varies(), total);
    }

    Vec<double> high, low, up, down, middle, offset;

private:
    const Block& block_;
    Index end_;
    int window_;
};

// Sum of products of the scaled deviations of two windows over the same present cells.
inline Vec<double> cross(const Direct& a, const Direct& b, const Block& y, Index i, int window) {
    Vec<double> total{};
    Index j = i - (window - 1) * kStrip;
    a.each([&](Vec<double> v, Vec<double> here) {
        total += a.deviation(v, here) * b.deviation(load(y.values + j), here);
        j += kStrip;
    });
    return only(a.varies() & b.varies(), total);
}

template <class T>
inline Vec<double> enough(const Count& count, int need, Vec<double> value) {
    return count.n >= static_cast<double>(need) ? value : splat(kNaN<double>);
}

// Runs body(block, first) over all strips and blocks of one input.
template <class T, class Body>
inline void for_blocks_of(const Call<T>& s, Body body) {
    Block block = take_block(s.window, *s.arena);
    for (Index c = 0; c < s.shape.columns; c += kStrip)
        for_blocks(s.shape, s.window, [&](Index first, Index rows) {
            load_block(block, s.input(0) + c, s.shape.stride, first, rows, s.window);
            body(block, first, c);
        });
}

template <class T>
inline double* take_sums(const Call<T>& s) {
    return s.arena->template take<double>((block_rows(s.window) + s.window) * kStrip);
}

// One value for each window from its sum: emit(sum, count, today's element, row pointer offset).
template <class T, class Emit>
inline void from_sum(const Call<T>& s, Emit emit) {
    double* sums = take_sums(s);
    for_blocks_of(s, [&](const Block& block, Index first, Index c) {
        window_sums([&](Index i) { return load(block.values + i); }, sums, block.rows, s.window);
        for_windows(block, first, s.window, [&](Index i, const Count& count, Index t, int k) {
            const Index at = t * s.shape.stride + c + k * kLanes<double>;
            store_narrow(s.out + at,
                         enough<T>(count, s.min_periods, emit(block, i, count, load(sums + i), at)));
        });
    });
}

template <class T>
inline Vec<double> mean_of(const Call<T>& s, const Block& block, Index i, const Count& count,
                           Vec<double> sum) {
    if constexpr (kDirect<T>) return Direct(block, i, s.window, count.n).mean();
    return sum * count.inverse;
}

template <class T>
void ts_sum(const Call<T>& s) {
    from_sum(s, [](const Block&, Index, const Count&, Vec<double> sum, Index) { return sum; });
}

template <class T>
void ts_mean(const Call<T>& s) {
    from_sum(s, [&](const Block& block, Index i, const Count& count, Vec<double> sum, Index) {
        return mean_of(s, block, i, count, sum);
    });
}

template <class T>
void ts_av_diff(const Call<T>& s) {
    from_sum(s, [&](const Block& block, Index i, const Count& count, Vec<double> sum, Index at) {
        // n * x - sum is exact for floats of like size: a constant window gives exactly 0.
        const Vec<double> today = load_wide(s.input(0) + at);
        if constexpr (kDirect<T>) return Direct(block, i, s.window, count.n).today(today);
        return (count.n * today - sum) * count.inverse;
    });
}

// Variance by two sums; emit(block, i, count, sum, k) where k = n * sum of squared deviations in
// units of scale^2, then direct(Direct) for the windows that need it.
template <class T, class Fast, class Slow>
inline void from_squares(const Call<T>& s, Fast fast, Slow slow) {
    double* sums = take_sums(s);
    double* squares = take_sums(s);
    const int need = std::max(s.min_periods, 2);
    for_blocks_of(s, [&](const Block& block, Index first, Index c) {
        if constexpr (!kDirect<T>) {
            const auto x = [&](Index i) { return load(block.values + i); };
            window_sums(x, sums, block.rows, s.window);
            window_sums([&](Index i) { return x(i) * x(i); }, squares, block.rows, s.window);
        }
        for_windows(block, first, s.window, [&](Index i, const Count& count, Index t, int k) {
            const Index at = t * s.shape.stride + c + k * kLanes<double>;
            Vec<double> value;
            if constexpr (kDirect<T>) {
                value = slow(Direct(block, i, s.window, count.n), count, at);
            } else {
                const Vec<double> sum = load(sums + i), all = count.n * load(squares + i);
                const Vec<double> spread = all - sum * sum;
                value = fast(sum, spread, count, at);
                const Mask<double> lost =
                    ~(spread > all * kCancelled) & (count.n >= static_cast<double>(need));
                if (any(lost))
                    value = lost ? slow(Direct(block, i, s.window, count.n), count, at) : value;
            }
            store_narrow(s.out + at, enough<T>(count, need, value));
        });
    });
}

template <class T>
void ts_std_dev(const Call<T>& s) {
    from_squares(
        s,
        [](Vec<double>, Vec<double> spread, const Count& count, Index) {
            return square_root(spread * count.inverse * count.inverse_less);
        },
        [](const Direct& d, const Count& count, Index) {
            return square_root(d.moment(2) * count.inverse_less) * d.up;
        });
}

template <class T>
void ts_zscore(const Call<T>& s) {
    from_squares(
        s,
        [&](Vec<double> sum, Vec<double> spread, const Count& count, Index at) {
            const Vec<double> today = (count.n * load_wide(s.input(0) + at) - sum) * count.inverse;
            return today / square_root(spread * count.inverse * count.inverse_less);
        },
        [&](const Direct& d, const Count& count, Index at) {
            const Vec<double> today = load_wide(s.input(0) + at) * d.down - d.middle - d.offset;
            const Vec<double> z = today / square_root(d.moment(2) * count.inverse_less);
            return d.varies() ? z : splat(kNaN<double>);
        });
}

// Covariance and correlation by five sums over the cells where both inputs are present.
template <class T, class Fast, class Slow>
inline void from_products(const Call<T>& s, Fast fast, Slow slow) {
    Block x = take_block(s.window, *s.arena), y = take_block(s.window, *s.arena);
    double *sx = take_sums(s), *sy = take_sums(s);
    double *xx = take_sums(s), *yy = take_sums(s), *xy = take_sums(s);
    const int need = std::max(s.min_periods, 2), w = s.window;
    const auto of_x = [&](Index i) { return load(x.values + i); };
    const auto of_y = [&](Index i) { return load(y.values + i); };
    const auto each_window = [&](Index i, const Count& count, Index at) {
        const auto direct = [&] {
            return slow(Direct(x, i, w, count.n), Direct(y, i, w, count.n), y, i, count);
        };
        Vec<double> value;
        if constexpr (kDirect<T>) {
            value = direct();
        } else {
            const Vec<double> a = load(sx + i), b = load(sy + i);
            const Vec<double> all_x = count.n * load(xx + i), all_y = count.n * load(yy + i);
            const Vec<double> kx = all_x - a * a, ky = all_y - b * b;
            value = fast(kx, ky, count.n * load(xy + i) - a * b, count);
            const Mask<double> lost = (~(kx > all_x * kCancelled) | ~(ky > all_y * kCancelled)) &
                                      (count.n >= static_cast<double>(need));
            if (any(lost)) value = lost ? direct() : value;
        }
        store_narrow(s.out + at, enough<T>(count, need, value));
    };
    for (Index c = 0; c < s.shape.columns; c += kStrip)
        for_blocks(s.shape, w, [&](Index first, Index rows) {
            load_block(x, s.input(0) + c, s.shape.stride, first, rows, w);
            load_block(y, s.input(1) + c, s.shape.stride, first, rows, w);
            pair_blocks(x, y);
            if constexpr (!kDirect<T>) {
                window_sums(of_x, sx, x.rows, w);
                window_sums(of_y, sy, x.rows, w);
                window_sums([&](Index i) { return of_x(i) * of_x(i); }, xx, x.rows, w);
                window_sums([&](Index i) { return of_y(i) * of_y(i); }, yy, x.rows, w);
                window_sums([&](Index i) { return of_x(i) * of_y(i); }, xy, x.rows, w);
            }
            for_windows(x, first, w, [&](Index i, const Count& count, Index t, int k) {
                each_window(i, count, t * s.shape.stride + c + k * kLanes<double>);
            });
        });
}

template <class T>
void ts_covariance(const Call<T>& s) {
    from_products(
        s,
        [](Vec<double>, Vec<double>, Vec<double> kxy, const Count& count) {
            return kxy * count.inverse * count.inverse_less;
        },
        [&](const Direct& a, const Direct& b, const Block& y, Index i, const Count& count) {
            return cross(a, b, y, i, s.window) * count.inverse_less * a.up * b.up;
        });
}

template <class T>
void ts_corr(const Call<T>& s) {
    const auto limited = [](Vec<double> r) { return higher(lower(r, splat(1.0)), splat(-1.0)); };
    from_products(
        s,
        [&](Vec<double> kx, Vec<double> ky, Vec<double> kxy, const Count&) {
            return limited(kxy / square_root(kx * ky));
        },
        [&](const Direct& a, const Direct& b, const Block& y, Index i, const Count&) {
            const Vec<double> r =
                cross(a, b, y, i, s.window) / square_root(a.moment(2) * b.moment(2));
            return (a.varies() & b.varies()) ? limited(r) : splat(kNaN<double>);
        });
}

}  // namespace alphamine
