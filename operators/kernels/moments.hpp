// Means, deviations, correlations of windows.
//
// float storage: sums of values and products in double (exact products), and where the subtraction
// n * sum(x^2) - sum(x)^2 would cost more than seven digits, the windows at hand are done directly.
// double storage: always directly, by two passes like the numpy reference.
#pragma once

#include "direct.hpp"

namespace alphamine {

template <class T>
constexpr bool kDirect = std::is_same<T, double>::value;

// Share of n * sum(x^2) below which its difference from sum(x)^2 is too inaccurate.
constexpr double kCancelled = 1e-7;

template <class T>
inline double* take_sums(const Call<T>& s) {
    return s.arena->template take<double>(block_cells(s.window));
}

// Whether sums may run into NaN: windows must be whole, and no window is computed directly.
template <class T>
inline bool only_whole(const Call<T>& s, int need) {
    return !kDirect<T> && need >= s.window;
}

// Runs body(block, first row, first column) over all blocks of the first input; `whole`: blocks hold
// NaN where a value is missing.
template <class T, class Body>
inline void for_blocks_of(const Call<T>& s, bool whole, Body body) {
    Block block = take_block(s.window, *s.arena);
    for_blocks(s.shape, s.window, kStrip, [&](Index first, Index rows, Index c) {
        if (whole)
            load_whole(block, s.input(0) + c, s.stride[0], first, rows, s.window);
        else
            load_block(block, s.input(0) + c, s.stride[0], first, rows, s.window);
        body(block, first, c);
    });
}

// Runs body(x, y, first row, first column) over all blocks of two inputs, paired.
template <class T, class Body>
inline void for_blocks_of_pairs(const Call<T>& s, Index lag, bool whole, Body body) {
    Block x = take_block(s.window, *s.arena), y = take_block(s.window, *s.arena);
    for_blocks(s.shape, s.window, kStrip, [&](Index first, Index rows, Index c) {
        if (whole) {
            load_whole(x, s.input(0) + c, s.stride[0], first, rows, s.window);
            load_whole(y, s.input(1) + c, s.stride[1], first, rows, s.window);
            body(x, y, first, c);
            return;
        }
        load_block(x, s.input(0) + c, s.stride[0], first, rows, s.window);
        load_block(y, s.input(1) + c, s.stride[1], first, rows, s.window, lag);
        pair_blocks(x, y);
        body(x, y, first, c);
    });
}

// Writes value(i, count, at) of every window that has `need` values: i is its element in the
// block's arrays, `at` its element in the series.
template <class T, class Value>
inline void write_windows(const Call<T>& s, const Block& block, Index first, Index c, int need,
                          Value value) {
    for_windows(block, first, s.window, need, [&](Index i, const Count* counts, Index t) {
        const Index at = t * s.shape.stride + c;
        for (Index k = 0; k < kParts; ++k)
            store_narrow(s.out + at + k * kPart,
                         counts[k].keep(value(i + k * kPart, counts[k], at + k * kPart)));
    });
}

// One value for each window from its sum: emit(block, i, count, sum, at).
template <class T, class Emit>
inline void from_sum(const Call<T>& s, Emit emit) {
    double* sums = take_sums(s);
    for_blocks_of(s, only_whole(s, s.min_periods), [&](const Block& block, Index first, Index c) {
        window_sums([x = block.values](Index i) { return load(x + i); }, sums, block.rows,
                    s.window);
        write_windows(s, block, first, c, s.min_periods,
                      [&](Index i, const Count& count, Index at) {
                          return emit(block, i, count, load(sums + i), at);
                      });
    });
}

template <class T>
void ts_sum(const Call<T>& s) {
    from_sum(s, [](const Block&, Index, const Count&, Vec<double> sum, Index) { return sum; });
}

template <class T>
void ts_mean(const Call<T>& s) {
    from_sum(s, [&](const Block& block, Index i, const Count& count, Vec<double> sum, Index) {
        if constexpr (kDirect<T>) return Direct(block, i, s.window, count.n).mean();
        return sum * count.inverse;
    });
}

template <class T>
void ts_av_diff(const Call<T>& s) {
    from_sum(s, [&](const Block& block, Index i, const Count& count, Vec<double> sum, Index at) {
        // n * x - sum is exact for floats of like size: a constant window gives exactly 0.
        const Vec<double> today = load_wide(s.input(0) + at);
        if constexpr (kDirect<T>) {
            const Direct direct(block, i, s.window, count.n);
            return direct.today(today) * direct.up;
        }
        return (count.n * today - sum) * count.inverse;
    });
}

// Ratios over / sqrt(square) of two registers in float arithmetic, brought into its range by an
// exact power of two: four times as fast as in double, and right to two units in the last place.
inline Vec<float> float_ratio(Vec<double> over0, Vec<double> over1, Vec<double> square0,
                              Vec<double> square1) {
    typedef std::uint64_t Bits __attribute__((vector_size(AM_VECTOR_BYTES), may_alias));
    const auto scale = [](Vec<double>& over, Vec<double>& square) {
        const Bits even = (reinterpret_cast<Bits>(square) >> 52) & 0x7fe;
        square *= reinterpret_cast<Vec<double>>((2045 - even) << 52);
        over *= reinterpret_cast<Vec<double>>((1534 - (even >> 1)) << 52);
    };
    scale(over0, square0);
    scale(over1, square1);
    return join(over0, over1) / square_root(join(square0, square1));
}

// What the sums say of one register of windows: over / sqrt(square), or just `over`, and which of
// them lost too many digits. Filled in place: the compiler copies vectors in structs through memory.
struct Judged {
    Vec<double> over, square;
    Mask<double> lost;
};
enum class Finish { plain, ratio, correlation };  // a correlation is limited to [-1, 1]

// Writes what judge(i, count, at, judged) says; the windows that are lost, and all of them in
// double, come from direct(i, count, at).
template <Finish finish, class T, class Judge, class Fallback>
inline void write_judgements(const Call<T>& s, const Block& block, Index first, Index c, int need,
                             Judge judge, Fallback direct) {
    if constexpr (kDirect<T>) {
        write_windows(s, block, first, c, need, direct);
    } else {
        for_windows(block, first, s.window, need, [&](Index i, const Count* counts, Index t) {
            const Index at = t * s.shape.stride + c;
            Judged a, b;
            judge(i, counts[0], at, a);
            judge(i + kPart, counts[1], at + kPart, b);
            const Vec<double> over0 = counts[0].keep(a.over), over1 = counts[1].keep(b.over);
            if constexpr (finish == Finish::plain) {
                store(s.out + at, join(over0, over1));
            } else {
                Vec<float> ratio = float_ratio(over0, over1, a.square, b.square);
                if constexpr (finish == Finish::correlation)
                    ratio = lower(splat(1.0f), higher(splat(-1.0f), ratio));
                store(s.out + at, ratio);
            }
            const Mask<double> lost[] = {a.lost & counts[0].enough, b.lost & counts[1].enough};
            if (!any(lost[0] | lost[1])) return;
            for (Index k = 0; k < kParts; ++k) {
                if (!any(lost[k])) continue;
                const Vec<double> value = direct(i + k * kPart, counts[k], at + k * kPart);
                for (Index l = 0; l < kPart; ++l)
                    if (lost[k][l]) s.out[at + k * kPart + l] = static_cast<T>(value[l]);
            }
        });
    }
}

// Statistics of two sums: fast(sum, spread, count, at, judged) gives a ratio, where spread = n times
// the sum of squared deviations; direct(window, count, at) does the same from the window itself.
template <class T, class Fast, class Fallback>
inline void from_squares(const Call<T>& s, Fast fast, Fallback direct) {
    double *sums = take_sums(s), *squares = take_sums(s);
    const int need = std::max(s.min_periods, 2);
    for_blocks_of(s, only_whole(s, need), [&](const Block& block, Index first, Index c) {
        if constexpr (!kDirect<T>) {
            const auto x = [values = block.values](Index i) { return load(values + i); };
            window_sums(x, sums, block.rows, s.window);
            window_sums([=](Index i) { return x(i) * x(i); }, squares, block.rows, s.window);
        }
        write_judgements<Finish::ratio>(
            s, block, first, c, need,
            [=](Index i, const Count& count, Index at, Judged& judged) {
                const Vec<double> sum = load(sums + i), all = count.n * load(squares + i);
                const Vec<double> spread = all - sum * sum;
                fast(sum, spread, count, at, judged);
                judged.lost = spread <= all * kCancelled;  // false for NaN
            },
            [&](Index i, const Count& count, Index at) {
                return direct(Direct(block, i, s.window, count.n), count, at);
            });
    });
}

template <class T>
void ts_std_dev(const Call<T>& s) {
    from_squares(
        s,
        [](Vec<double>, Vec<double> spread, const Count& count, Index, Judged& judged) {
            judged.over = judged.square = spread * count.inverse * count.inverse_less;
        },
        [](const Direct& d, const Count& count, Index) {
            return square_root(d.moment(2) * count.inverse_less) * d.up;
        });
}

template <class T>
void ts_zscore(const Call<T>& s) {
    from_squares(
        s,
        [&](Vec<double> sum, Vec<double> spread, const Count& count, Index at, Judged& judged) {
            judged.over = (count.n * load_wide(s.input(0) + at) - sum) * count.inverse;
            judged.square = spread * count.inverse * count.inverse_less;
        },
        [&](const Direct& d, const Count& count, Index at) {
            const Vec<double> today = d.today(load_wide(s.input(0) + at));
            const Vec<double> z = today / square_root(d.moment(2) * count.inverse_less);
            return d.varies() ? z : splat(kNaN<double>);
        });
}

// Statistics of five sums over the cells where both inputs are present: fast(kx, ky, kxy, count,
// judged) from n times the sums of squares and products of deviations; direct(x, y, products, count).
template <Finish finish, class T, class Fast, class Fallback>
inline void from_products(const Call<T>& s, Fast fast, Fallback direct) {
    double *sx = take_sums(s), *sy = take_sums(s);
    double *sxx = take_sums(s), *syy = take_sums(s), *sxy = take_sums(s);
    const int need = std::max(s.min_periods, 2), w = s.window;
    const bool whole = only_whole(s, need);
    for_blocks_of_pairs(s, 0, whole, [&](const Block& x, const Block& y, Index first, Index c) {
        const auto of_x = [values = x.values](Index i) { return load(values + i); };
        const auto of_y = [values = y.values](Index i) { return load(values + i); };
        if constexpr (!kDirect<T>) {
            window_sums(of_x, sx, x.rows, w);
            window_sums(of_y, sy, x.rows, w);
            window_sums([=](Index i) { return of_x(i) * of_x(i); }, sxx, x.rows, w);
            window_sums([=](Index i) { return of_y(i) * of_y(i); }, syy, x.rows, w);
            window_sums([=](Index i) { return of_x(i) * of_y(i); }, sxy, x.rows, w);
        }
        write_judgements<finish>(
            s, x, first, c, need,
            [=](Index i, const Count& count, Index, Judged& judged) {
                const Vec<double> a = load(sx + i), b = load(sy + i);
                const Vec<double> xx = count.n * load(sxx + i), yy = count.n * load(syy + i);
                const Vec<double> kx = xx - a * a, ky = yy - b * b;
                const Vec<double> kxy = count.n * load(sxy + i) - a * b;
                fast(kx, ky, kxy, count, judged);
                judged.lost =
                    ((kx <= xx * kCancelled) | (ky <= yy * kCancelled)) & (kxy == kxy);
            },
            [&](Index i, const Count& count, Index) {
                const Direct of_x(x, i, w, count.n), of_y(y, i, w, count.n);
                return direct(of_x, of_y, cross(of_x, of_y, y, i, w), count);
            });
    });
}

template <class T>
void ts_covariance(const Call<T>& s) {
    from_products<Finish::plain>(
        s,
        [](Vec<double>, Vec<double>, Vec<double> kxy, const Count& count, Judged& judged) {
            judged.over = kxy * count.inverse * count.inverse_less;
        },
        [](const Direct& a, const Direct& b, Vec<double> products, const Count& count) {
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
        [](const Direct& a, const Direct& b, Vec<double> products, const Count&) {
            const Vec<double> corr = products / square_root(a.moment(2) * b.moment(2));
            const Vec<double> limited = lower(splat(1.0), higher(splat(-1.0), corr));
            return (a.varies() & b.varies()) ? limited : splat(kNaN<double>);
        });
}

}  // namespace alphamine
