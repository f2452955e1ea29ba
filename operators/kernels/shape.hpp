// The shape of a window's distribution: higher moments, mean deviation, entropy.
#pragma once

#include "moments.hpp"

namespace alphamine {

// emit(direct, count) for each window.
template <class T, class Emit>
inline void directly(const Call<T>& s, int least, Emit emit) {
    const int need = std::max(s.min_periods, least);
    for_blocks_of(s, [&](const Block<T>& block, Index first, Index c) {
        write_windows(s, block, first, c, need, [&](Index i, const Count& count, Index) {
            if (!any(count.n >= static_cast<double>(need))) return splat(kNaN<double>);
            return emit(Direct<T>(block, i, s.window, count.n), count);
        });
    });
}

// What two sums over the deviations of a window's values are made of: of their squares and cubes, say.
struct Deviations {
    Vec<double> first, second, unit;  // deviations are in `unit`, a power of two
};

// What judge(sums, count, judged) says of each window, where add(deviation, sums) adds one deviation.
// The mean of floats in double is so exact that a constant window deviates by exactly 0.
template <Finish finish, class T, class Add, class Judge>
inline void from_deviations(const Call<T>& s, int least, Add add, Judge judge) {
    if constexpr (kDirect<T>) {
        directly(s, least, [&](const Direct<T>& d, const Count& count) {
            Deviations sums{Vec<double>{}, Vec<double>{}, d.up};
            const Mask<double> varies = d.varies();
            d.each([&](Vec<double> v, Vec<double> here) {
                add(only(varies, d.deviation(v, here)), sums);
            });
            Judged judged;
            judge(sums, count, judged);
            if constexpr (finish == Finish::plain) return judged.over;
            return judged.over / square_root(judged.square);
        });
    } else {
        const int w = s.window, need = std::max(s.min_periods, least);
        for_summed_blocks<kOnlySum>(s, [&](const auto& sums, const Block<T>& block, Index first, Index c) {
            const T *values = block.values, *present = block.present;
            const bool gaps = block.gaps;
            write_judgements<finish>(
                s, block, first, c, need, sums,
                [=](const Sums& of, const Count& count, Index i, Index, Judged& judged) {
                    const Vec<double> mean = of.x / count.n;
                    Deviations found{Vec<double>{}, Vec<double>{}, splat(1.0)};
                    const Index oldest = i - (w - 1) * kStrip;
                    if (gaps)
                        for (Index j = oldest; j <= i; j += kStrip)
                            add((load_wide(values + j) - mean) * load_wide(present + j), found);
                    else
                        for (Index j = oldest; j <= i; j += kStrip)
                            add(load_wide(values + j) - mean, found);
                    judge(found, count, judged);
                });
        });
    }
}

template <class T>
void ts_moment(const Call<T>& s) {
    const int power = static_cast<int>(s.params[0]);
    from_deviations<Finish::plain>(
        s, 1,
        [=](Vec<double> d, Deviations& sums) {
            Vec<double> term = d * d;
            for (int p = 2; p < power; ++p) term *= d;
            sums.first += term;
        },
        [=](const Deviations& sums, const Count& count, Judged& judged) {
            judged.over = sums.first * count.inverse;
            for (int p = 0; p < power; ++p) judged.over *= sums.unit;
        });
}

inline void judge_skewness(const Deviations& sums, const Count& count, Judged& judged) {
    const Vec<double> less = count.n - 2.0;
    judged.over = count.n * sums.second;
    judged.square = sums.first * sums.first * sums.first * (less * less * count.inverse_less);
}

// Long whole windows of floats cost less from three sums, of which the third powers are rounded (and
// so are made by doubling); those that lose too many digits are done directly.
constexpr int kLongSkew = 20;
// Share of the largest term below which they do: it subtracts terms that the level makes larger by
// its third power.
constexpr double kSkewLost = 1e-4;

inline void long_skewness(const Call<float>& s, int need) {
    const int w = s.window;
    double* cubes = s.arena->take<double>(block_cells(w));
    const JudgedRows rows(w, *s.arena);
    Constants constants(w, *s.arena);
    for_summed_blocks<kSquares>(s, [&](const auto& sums, const Block<float>& block, Index first, Index c) {
        constants.reset(block);
        const auto x = [values = block.values](Index i) { return load_wide(values + i); };
        window_sums([=](Index i) { return x(i) * x(i) * x(i); }, cubes, block.rows, w);
        write_judgements<Finish::ratio>(
            s, rows, block, first, c, need, sums,
            [=](const Sums& of, const Count& count, Index i, Index, Judged& judged) {
                const Vec<double> n = count.n, a = of.x, all = n * of.xx, spread = all - a * a;
                // spread = n^2 * m2 and third = n^3 * m3, the central moments.
                const Vec<double> third = n * (n * load(cubes + i)) - a * (3.0 * all - 2.0 * a * a);
                judged.over = third * splat(std::sqrt(w - 1.0) * std::sqrt(double(w)) / (w - 2.0));
                judged.square = spread * spread * spread;
                judged.lost = spread <= all * kSkewLost;
            },
            [&](Index i, Vec<double> n, Index, Mask<double> lost) {
                if (!any(lost & ~constants.at(i))) return splat(kNaN<double>);
                const Direct<float> d(block, i, w, n);
                Judged judged;
                judge_skewness({d.moment(2), d.moment(3), d.up}, count_of(n), judged);
                return judged.over / square_root(judged.square);
            });
    });
}

template <class T>
void ts_skewness(const Call<T>& s) {
    if constexpr (!kDirect<T>)
        if (s.min_periods >= s.window && s.window >= kLongSkew) return long_skewness(s, s.window);
    from_deviations<Finish::ratio>(
        s, 3,
        [](Vec<double> d, Deviations& sums) {
            const Vec<double> square = d * d;
            sums.first += square;
            sums.second += square * d;
        },
        [](const Deviations& sums, const Count& count, Judged& judged) {
            judge_skewness(sums, count, judged);
        });
}

template <class T>
void ts_kurtosis(const Call<T>& s) {
    from_deviations<Finish::plain>(
        s, 4,
        [](Vec<double> d, Deviations& sums) {
            const Vec<double> square = d * d;
            sums.first += square;
            sums.second += square * square;
        },
        [](const Deviations& sums, const Count& count, Judged& judged) {
            const Vec<double> n = count.n, less = n - 1.0;
            const Vec<double> fourth =
                n * (n + 1.0) * less * sums.second / (sums.first * sums.first);
            judged.over = (fourth - 3.0 * less * less) / ((n - 2.0) * (n - 3.0));
        });
}

template <class T>
void ts_mean_abs_dev(const Call<T>& s) {
    from_deviations<Finish::plain>(
        s, 1, [](Vec<double> d, Deviations& sums) { sums.first += magnitude<double>(d); },
        [](const Deviations& sums, const Count& count, Judged& judged) {
            judged.over = sums.first * count.inverse * sums.unit;
        });
}

// Entropy of the histogram of each window between its extremes, in nats. params: buckets.
template <class T>
void ts_entropy(const Call<T>& s) {
    const int buckets = static_cast<int>(s.params[0]);
    double* counts = s.arena->template take<double>(buckets * kLanes<double>);
    directly(s, 1, [&](const Direct<T>& d, const Count& count) {
        constexpr int L = kLanes<double>;
        std::fill_n(counts, buckets * L, 0.0);
        const Vec<double> low = d.low * d.down, width = d.high * d.down - low;
        d.each([&](Vec<double> v, Vec<double> here) {
            // The top edge belongs to the last bucket; a constant window fills the first one.
            const Vec<double> place = (v * d.down - low) / width * static_cast<double>(buckets);
            for (int l = 0; l < L; ++l)
                if (here[l] != 0.0 && d.high[l] > d.low[l])
                    counts[std::min(static_cast<int>(place[l]), buckets - 1) * L + l] += 1.0;
        });
        Vec<double> entropy{};
        for (int b = 0; b < buckets; ++b)
            for (int l = 0; l < L; ++l) {
                const double share = counts[b * L + l] / count.n[l];
                if (share > 0.0) entropy[l] -= share * std::log(share);
            }
        return only(d.varies(), entropy);
    });
}

}  // namespace alphamine
