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

template <class T>
void ts_moment(const Call<T>& s) {
    const int power = static_cast<int>(s.params[0]);
    directly(s, 1, [&](const Direct<T>& d, const Count& count) {
        Vec<double> moment = d.moment(power) / count.n;
        for (int p = 0; p < power; ++p) moment *= d.up;
        return moment;
    });
}

// Share of the largest term below which the third moment of sums is too inaccurate: it subtracts
// terms that the level makes larger by its third power.
constexpr double kSkewLost = 1e-4;

template <class T>
inline Vec<double> direct_skewness(const Direct<T>& d, Vec<double> n) {
    const Vec<double> squares = d.moment(2);
    const Vec<double> bias = n * square_root(n - 1.0) / (n - 2.0);
    const Vec<double> skewness = bias * d.moment(3) / (squares * square_root(squares));
    return or_missing(d.varies(), skewness);
}

// From three sums, for whole windows of floats. The third powers are rounded: by doubling.
inline void whole_skewness(const Call<float>& s, int need) {
    const int w = s.window;
    double* cubes = s.arena->take<double>(block_cells(w));
    for_summed_blocks<kSquares>(s, [&](auto sums, const Block<float>& block, Index first, Index c) {
        const auto x = [values = block.values](Index i) { return load_wide(values + i); };
        window_sums([=](Index i) { return x(i) * x(i) * x(i); }, cubes, block.rows, w);
        write_judgements<Finish::ratio>(
            s, block, first, c, need, sums,
            [=](const Sums& of, const Count& count, Index i, Index, Judged& judged) {
                const Vec<double> n = count.n, a = of.x, all = n * of.xx, spread = all - a * a;
                // spread = n^2 * m2 and third = n^3 * m3, the central moments.
                const Vec<double> third = n * (n * load(cubes + i)) - a * (3.0 * all - 2.0 * a * a);
                judged.over = third * splat(std::sqrt(w - 1.0) * std::sqrt(double(w)) / (w - 2.0));
                judged.square = spread * spread * spread;
                judged.lost = spread <= all * kSkewLost;
            },
            [&](Index i, const Count& count, Index) {
                return direct_skewness(Direct<float>(block, i, w, count.n), count.n);
            });
    });
}

template <class T>
void ts_skewness(const Call<T>& s) {
    const int need = std::max(s.min_periods, 3);
    if constexpr (!kDirect<T>)
        if (need >= s.window) return whole_skewness(s, need);
    directly(s, 3,
             [](const Direct<T>& d, const Count& count) { return direct_skewness(d, count.n); });
}

template <class T>
void ts_kurtosis(const Call<T>& s) {
    directly(s, 4, [](const Direct<T>& d, const Count& count) {
        const Vec<double> n = count.n, squares = d.moment(2), less = n - 1.0;
        const Vec<double> fourth = n * (n + 1.0) * less * d.moment(4) / (squares * squares);
        const Vec<double> kurtosis = (fourth - 3.0 * less * less) / ((n - 2.0) * (n - 3.0));
        return d.varies() ? kurtosis : splat(kNaN<double>);
    });
}

template <class T>
void ts_mean_abs_dev(const Call<T>& s) {
    directly(s, 1, [](const Direct<T>& d, const Count& count) {
        Vec<double> total{};
        d.each([&](Vec<double> v, Vec<double> here) {
            total += magnitude<double>(d.deviation(v, here));
        });
        return only(d.varies(), total / count.n * d.up);
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
