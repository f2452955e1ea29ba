// Means, deviations, correlations of windows.
//
// float storage: sums of values and products in double (exact products), and where the subtraction
// n * sum(x^2) - sum(x)^2 would cost more than seven digits, the windows at hand are done directly.
// double storage: always directly, by two passes like the numpy reference.
#pragma once

#include "direct.hpp"
#include "judged.hpp"

namespace alphamine {

template <class T>
constexpr bool kDirect = std::is_same<T, double>::value;

// Share of sum(x)^2 below which its difference from n * sum(x^2) is too inaccurate.
constexpr double kCancelled = 1e-7;

constexpr auto kZero = [](Index) { return Vec<double>{}; };
constexpr auto kNothing = [](Index) { return splat(kNaN<double>); };

// Values of windows from the sums of one input: judge(sums, count, i, at, judged) in float storage,
// direct(window, count, at) from the window itself, flat(at) where it is constant.
template <int wanted, Finish finish, class T, class Judge, class Flat, class Fallback>
inline void from_sums(const Call<T>& s, int need, Judge judge, Flat flat, Fallback direct) {
    if constexpr (kDirect<T>) {
        for_blocks_of(s, [&](const Block<T>& block, Index first, Index c) {
            write_windows(s, block, first, c, need, [&](Index i, const Count& count, Index at) {
                return direct(Direct<T>(block, i, s.window, count.n), count, at);
            });
        });
    } else {
        const JudgedRows rows(s.window, *s.arena);
        Constants constants(s.window, *s.arena);
        for_summed_blocks<wanted>(s, [&](const auto& sums, const Block<T>& block, Index first, Index c) {
            constants.reset(block);
            const auto again = [&](Index i, Vec<double> n, Index at, Mask<double> lost) {
                if (!any(lost & ~constants.at(i))) return flat(at);
                return direct(Direct<T>(block, i, s.window, n), count_of(n), at);
            };
            if constexpr (wanted == kOnlySum)
                write_judgements<finish>(s, block, first, c, need, sums, judge);
            else
                write_judgements<finish>(s, rows, block, first, c, need, sums, judge, again);
        });
    }
}

template <class T>
void ts_sum(const Call<T>& s) {
    if constexpr (kDirect<T>) {
        double* sums = s.arena->template take<double>(block_cells(s.window));
        for_blocks_of(s, [&](const Block<T>& block, Index first, Index c) {
            window_sums([x = block.values](Index i) { return load(x + i); }, sums, block.rows,
                        s.window);
            write_windows(s, block, first, c, s.min_periods,
                          [&](Index i, const Count&, Index) { return load(sums + i); });
        });
    } else {
        from_sums<kOnlySum, Finish::plain>(
            s, s.min_periods,
            [](const Sums& sums, const Count&, Index, Index, Judged& judged) { judged.over = sums.x; },
            kNothing, [](const Direct<T>& d, const Count&, Index) { return d.mean(); });
    }
}

template <class T>
void ts_mean(const Call<T>& s) {
    from_sums<kOnlySum, Finish::plain>(
        s, s.min_periods,
        [](const Sums& sums, const Count& count, Index, Index, Judged& judged) {
            judged.over = sums.x * count.inverse;
        },
        kNothing, [](const Direct<T>& d, const Count&, Index) { return d.mean(); });
}

template <class T>
void ts_av_diff(const Call<T>& s) {
    const T* x = s.input(0);
    from_sums<kOnlySum, Finish::plain>(
        s, s.min_periods,
        [=](const Sums& sums, const Count& count, Index, Index at, Judged& judged) {
            // n * x - sum is exact for floats of like size: a constant window gives exactly 0.
            judged.over = (count.n * load_wide(x + at) - sums.x) * count.inverse;
        },
        kNothing, [=](const Direct<T>& d, const Count&, Index at) {
            return d.today(load_wide(x + at)) * d.up;
        });
}

// n times the sum of squared deviations, and whether the subtraction lost too many digits.
inline Vec<double> spread_of(const Sums& sums, const Count& count, Judged& judged) {
    const Vec<double> square = sums.x * sums.x, spread = product_less(count.n, sums.xx, square);
    judged.lost = spread <= square * kCancelled;
    return spread;
}

template <class T>
void ts_std_dev(const Call<T>& s) {
    from_sums<kSquares, Finish::root>(
        s, std::max(s.min_periods, 2),
        [](const Sums& sums, const Count& count, Index, Index, Judged& judged) {
            judged.square = spread_of(sums, count, judged) * count.inverse_both;
        },
        kZero, [](const Direct<T>& d, const Count& count, Index) {
            return square_root(d.moment(2) * count.inverse_less) * d.up;
        });
}

template <class T>
void ts_zscore(const Call<T>& s) {
    const T* x = s.input(0);
    from_sums<kSquares, Finish::ratio>(
        s, std::max(s.min_periods, 2),
        [=](const Sums& sums, const Count& count, Index, Index at, Judged& judged) {
            judged.over = (count.n * load_wide(x + at) - sums.x) * count.inverse;
            judged.square = spread_of(sums, count, judged) * count.inverse_both;
        },
        kNothing, [=](const Direct<T>& d, const Count& count, Index at) {
            const Vec<double> today = d.today(load_wide(x + at));
            const Vec<double> z = today / square_root(d.moment(2) * count.inverse_less);
            return d.varies() ? z : splat(kNaN<double>);
        });
}

// The same for two inputs over the cells where both are present: judge(kx, ky, kxy, count, judged)
// from n times the sums of squares and products of deviations; direct(x, y, products, count); `flat`
// where one of them is constant.
template <Finish finish, class T, class Judge, class Flat, class Fallback>
inline void from_products(const Call<T>& s, Judge judge, Flat flat, Fallback direct) {
    const int need = std::max(s.min_periods, 2), w = s.window;
    const auto from_window = [&](const Block<T>& x, const Block<T>& y, Index i, const Count& count) {
        const Direct<T> of_x(x, i, w, count.n), of_y(y, i, w, count.n);
        return direct(of_x, of_y, cross(of_x, of_y, y, i, w), count);
    };
    if constexpr (kDirect<T>) {
        for_blocks_of_pairs(s, 0, [&](const Block<T>& x, const Block<T>& y, Index first, Index c) {
            write_windows(s, x, first, c, need, [&](Index i, const Count& count, Index) {
                return from_window(x, y, i, count);
            });
        });
    } else {
        const JudgedRows rows(w, *s.arena);
        Constants constants[] = {Constants(w, *s.arena), Constants(w, *s.arena)};
        for_summed_pairs(s, 0, [&](const auto& sums, const Block<T>& x, const Block<T>& y,
                                   Index first, Index c) {
            constants[0].reset(x);
            constants[1].reset(y);
            write_judgements<finish>(
                s, rows, x, first, c, need, sums,
                [=](const Sums& of, const Count& count, Index, Index, Judged& judged) {
                    const Vec<double> xx = of.x * of.x, yy = of.y * of.y;
                    const Vec<double> kx = product_less(count.n, of.xx, xx);
                    const Vec<double> ky = product_less(count.n, of.yy, yy);
                    judge(kx, ky, product_less(count.n, of.xy, of.x * of.y), count, judged);
                    judged.lost = (kx <= xx * kCancelled) | (ky <= yy * kCancelled);
                },
                [&](Index i, Vec<double> n, Index at, Mask<double> lost) {
                    if (!any(lost & ~(constants[0].at(i) | constants[1].at(i)))) return flat(at);
                    return from_window(x, y, i, count_of(n));
                });
        });
    }
}

template <class T>
void ts_covariance(const Call<T>& s) {
    from_products<Finish::plain>(
        s,
        [](Vec<double>, Vec<double>, Vec<double> kxy, const Count& count, Judged& judged) {
            judged.over = kxy * count.inverse_both;
        },
        kZero,
        [](const Direct<T>& a, const Direct<T>& b, Vec<double> products, const Count& count) {
            return products * count.inverse_less * a.up * b.up;
        });
}

template <class T>
void ts_corr(const Call<T>& s) {
    from_products<Finish::correlation>(
        s,
        [](Vec<double> kx, Vec<double> ky, Vec<double> kxy, const Count&, Judged& judged) {
            judged.over = kxy;
            judged.square = kx * ky;
        },
        kNothing,
        [](const Direct<T>& a, const Direct<T>& b, Vec<double> products, const Count&) {
            const Vec<double> corr = products / square_root(a.moment(2) * b.moment(2));
            const Vec<double> limited = lower(splat(1.0), higher(splat(-1.0), corr));
            return (a.varies() & b.varies()) ? limited : splat(kNaN<double>);
        });
}

}  // namespace alphamine
