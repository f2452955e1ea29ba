// The shape of a window's distribution: higher moments, mean deviation, entropy.
#pragma once

#include "moments.hpp"

namespace alphamine {

// emit(direct, count) for each window.
template <class T, class Emit>
inline void directly(const Call<T>& s, int least, Emit emit) {
    const int need = std::max(s.min_periods, least);
    for_blocks_of(s, false, [&](const Block& block, Index first, Index c) {
        write_windows(s, block, first, c, need, [&](Index i, const Count& count, Index) {
            if (!any(count.enough)) return splat(kNaN<double>);
            return emit(Direct(block, i, s.window, count.n), count);
        });
    });
}

template <class T>
void ts_moment(const Call<T>& s) {
    const int power = static_cast<int>(s.params[0]);
    directly(s, 1, [&](const Direct& d, const Count& count) {
        Vec<double> moment = d.moment(power) / count.n;
        for (int p = 0; p < power; ++p) moment *= d.up;
        return moment;
    });
}

// Share of the largest term below which the third moment of sums is too inaccurate: it subtracts
// terms that the level makes larger by its third power.
constexpr double kSkewLost = 1e-4;

inline Vec<double> direct_skewness(const Direct& d, Vec<double> n) {
    const Vec<double> squares = d.moment(2);
    const Vec<double> bias = n * square_root(n - 1.0) / (n - 2.0);
    const Vec<double> skewness = bias * d.moment(3) / (squares * square_root(squares));
    return or_missing(d.varies(), skewness);
}

// From three sums, for whole windows of floats.
template <class T>
inline void whole_skewness(const Call<T>& s, int need) {
    const int w = s.window;
    double *sums = take_sums(s), *squares = take_sums(s), *cubes = take_sums(s);
    for_blocks_of(s, only_whole(s, need), [&](const Block& block, Index first, Index c) {
        const auto x = [values = block.values](Index i) { return load(values + i); };
        window_sums(x, sums, block.rows, w);
        window_sums([=](Index i) { return x(i) * x(i); }, squares, block.rows, w);
        window_sums([=](Index i) { return x(i) * x(i) * x(i); }, cubes, block.rows, w);
        write_judgements<Finish::ratio>(
            s, block, first, c, need,
            [=](Index i, const Count& count, Index, Judged& judged) {
                const Vec<double> n = count.n, a = load(sums + i);
                const Vec<double> all = n * load(squares + i), spread = all - a * a;
                // spread = n^2 * m2 and third = n^3 * m3, the central moments.
                const Vec<double> third = n * (n * load(cubes + i)) - a * (3.0 * all - 2.0 * a * a);
                judged.over = third * splat(std::sqrt(w - 1.0) * std::sqrt(double(w)) / (w - 2.0));
                judged.square = spread * spread * spread;
                judged.lost = spread <= all * kSkewLost;
            },
            [&](Index i, const Count& count, Index) {
                return direct_skewness(Direct(block, i, w, count.n), count.n);
            });
    });
}

template <class T>
void ts_skewness(const Call<T>& s) {
    const int need = std::max(s.min_periods, 3);
    if (only_whole(s, need)) return whole_skewness(s, need);
    directly(s, 3,
             [](const Direct& d, const Count& count) { return direct_skewness(d, count.n); });
}

template <class T>
void ts_kurtosis(const Call<T>& s) {
    directly(s, 4, [](const Direct& d, const Count& count) {
        const Vec<double> n = count.n, squares = d.moment(2), less = n - 1.0;
        const Vec<double> fourth = n * (n + 1.0) * less * d.moment(4) / (squares * squares);
        const Vec<double> kurtosis = (fourth - 3.0 * less * less) / ((n - 2.0) * (n - 3.0));
        return d.varies() ? kurtosis : splat(kNaN<double>);
    });
}

template <class T>
void ts_mean_abs_dev(const Call<T>& s) {
    directly(s, 1, [](const Direct& d, const Count& count) {
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
    directly(s, 1, [&](const Direct& d, const Count& count) {
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
