// Means, deviations, correlations of windows.
//
// float storage: sums of values and products in double (exact products), and where the subtraction
// n * sum(x^2) - sum(x)^2 would cost more than seven digits, the windows at hand are done directly.
// double storage: always directly, by two passes like the numpy reference.
#pragma once

#include "direct.hpp"
#include "running.hpp"

namespace alphamine {

template <class T>
constexpr bool kDirect = std::is_same<T, double>::value;

// Share of n * sum(x^2) below which its difference from sum(x)^2 is too inaccurate.
constexpr double kCancelled = 1e-7;

struct Certain {};  // in place of a direct computation: no window loses digits

// Writes what judge(sums, count, i, at, judged) says of every window that has `need` values; the
// windows that are lost come from direct(i, count, at).
template <Finish finish, class Source, class Judge, class Fallback>
inline void write_judgements(const Call<float>& s, const Block<float>& block, Index first, Index c,
                             int need, Source sums, Judge judge, Fallback direct) {
    float* out = s.out + c;
    const Index stride = s.shape.stride;
    const auto unit = sums.unit();
    for_windows(block, first, s.window, need,
                [=](Index i, const Count* counts, const Enough<float>& enough, Index t) mutable {
                    const Index at = t * stride;
                    Judged a, b;
                    judge(sums(i, 0), counts[0], i, at + c, a);
                    judge(sums(i, 1), counts[1], i + kPart, at + c + kPart, b);
                    store(out + at, or_missing(enough.mask[0], finished<finish>(unit, a, b)));
                    if constexpr (!std::is_same<Fallback, Certain>::value) {
                        if (!any(a.lost | b.lost)) return;
                        const Mask<double> lost[] = {a.lost & enough.part(0), b.lost & enough.part(1)};
                        for (Index k = 0; k < kParts; ++k) {
                            if (!any(lost[k])) continue;
                            const Vec<double> value = direct(i + k * kPart, counts[k], at + c + k * kPart);
                            for (Index l = 0; l < kPart; ++l)
                                if (lost[k][l]) out[at + k * kPart + l] = static_cast<float>(value[l]);
                        }
                    }
                });
}

// Values of windows from the sums of one input: judge(sums, count, i, at, judged) in float storage,
// direct(window, count, at) from the window itself.
template <int wanted, Finish finish, class T, class Judge, class Fallback>
inline void from_sums(const Call<T>& s, int need, Judge judge, Fallback direct) {
    const auto from_window = [&](const Block<T>& block) {
        return [&](Index i, const Count& count, Index at) {
            return direct(Direct<T>(block, i, s.window, count.n), count, at);
        };
    };
    if constexpr (kDirect<T>)
        for_blocks_of(s, [&](const Block<T>& block, Index first, Index c) {
            write_windows(s, block, first, c, need, from_window(block));
        });
    else
        for_summed_blocks<wanted>(s, [&](auto sums, const Block<T>& block, Index first, Index c) {
            if constexpr (wanted == kOnlySum)
                write_judgements<finish>(s, block, first, c, need, sums, judge, Certain{});
            else
                write_judgements<finish>(s, block, first, c, need, sums, judge, from_window(block));
        });
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
            [](const Direct<T>& d, const Count&, Index) { return d.mean(); });
    }
}

template <class T>
void ts_mean(const Call<T>& s) {
    from_sums<kOnlySum, Finish::plain>(
        s, s.min_periods,
        [](const Sums& sums, const Count& count, Index, Index, Judged& judged) {
            judged.over = sums.x * count.inverse;
        },
        [](const Direct<T>& d, const Count&, Index) { return d.mean(); });
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
        [=](const Direct<T>& d, const Count&, Index at) {
            return d.today(load_wide(x + at)) * d.up;
        });
}

// n times the sum of squared deviations, and whether the subtraction lost too many digits.
inline Vec<double> spread_of(const Sums& sums, const Count& count, Judged& judged) {
    const Vec<double> all = count.n * sums.xx, spread = all - sums.x * sums.x;
    judged.lost = spread <= all * kCancelled;
    return spread;
}

template <class T>
void ts_std_dev(const Call<T>& s) {
    from_sums<kSquares, Finish::root>(
        s, std::max(s.min_periods, 2),
        [](const Sums& sums, const Count& count, Index, Index, Judged& judged) {
            judged.square = spread_of(sums, count, judged) * count.inverse * count.inverse_less;
        },
        [](const Direct<T>& d, const Count& count, Index) {
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
            judged.square = spread_of(sums, count, judged) * count.inverse * count.inverse_less;
        },
        [=](const Direct<T>& d, const Count& count, Index at) {
            const Vec<double> today = d.today(load_wide(x + at));
            const Vec<double> z = today / square_root(d.moment(2) * count.inverse_less);
            return d.varies() ? z : splat(kNaN<double>);
        });
}

// The same for two inputs over the cells where both are present: judge(kx, ky, kxy, count, judged)
// from n times the sums of squares and products of deviations; direct(x, y, products, count).
template <Finish finish, class T, class Judge, class Fallback>
inline void from_products(const Call<T>& s, Judge judge, Fallback direct) {
    const int need = std::max(s.min_periods, 2), w = s.window;
    const auto from_window = [&](const Block<T>& x, const Block<T>& y) {
        return [&, w](Index i, const Count& count, Index) {
            const Direct<T> of_x(x, i, w, count.n), of_y(y, i, w, count.n);
            return direct(of_x, of_y, cross(of_x, of_y, y, i, w), count);
        };
    };
    if constexpr (kDirect<T>)
        for_blocks_of_pairs(s, 0, [&](const Block<T>& x, const Block<T>& y, Index first, Index c) {
            write_windows(s, x, first, c, need, from_window(x, y));
        });
    else
        for_summed_pairs(s, 0, [&](auto sums, const Block<T>& x, const Block<T>& y, Index first,
                                   Index c) {
            write_judgements<finish>(
                s, x, first, c, need, sums,
                [=](const Sums& of, const Count& count, Index, Index, Judged& judged) {
                    const Vec<double> xx = count.n * of.xx, yy = count.n * of.yy;
                    const Vec<double> kx = xx - of.x * of.x, ky = yy - of.y * of.y;
                    judge(kx, ky, count.n * of.xy - of.x * of.y, count, judged);
                    judged.lost = (kx <= xx * kCancelled) | (ky <= yy * kCancelled);
                },
                from_window(x, y));
        });
}

template <class T>
void ts_covariance(const Call<T>& s) {
    from_products<Finish::plain>(
        s,
        [](Vec<double>, Vec<double>, Vec<double> kxy, const Count& count, Judged& judged) {
            judged.over = kxy * count.inverse * count.inverse_less;
        },
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
        [](const Direct<T>& a, const Direct<T>& b, Vec<double> products, const Count&) {
            const Vec<double> corr = products / square_root(a.moment(2) * b.moment(2));
            const Vec<double> limited = lower(splat(1.0), higher(splat(-1.0), corr));
            return (a.varies() & b.varies()) ? limited : splat(kNaN<double>);
        });
}

}  // namespace alphamine
