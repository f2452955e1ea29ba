// Weighted means of windows, by doubling: the sum of a window from those of its two halves, the
// older half with the weights that its age asks for.
#pragma once

#include "moments.hpp"

namespace alphamine {

// sums[r] = sum of the window, ramps[r] = sum with weights 1 (oldest) to `window` (today).
template <class Get>
inline void window_ramps(Get get, double* sums, double* ramps, Index rows, int window) {
    constexpr Index L = kLanes<double>;
    const Index end = rows * kStrip;
    for (Index i = 0; i < end; i += L) {
        store(sums + i, get(i));
        store(ramps + i, get(i));
    }
    Index length = 1;
    // A window of length + back rows: the newer `length` rows gain `back` on every weight.
    const auto pass = [&](Index back, auto older_sum, auto older_ramp) {
        const Vec<double> gain = splat(static_cast<double>(back));
        for (Index i = end - L; i >= (length + back - 1) * kStrip; i -= L) {
            const Index older = i - length * kStrip;
            const Vec<double> sum = load(sums + i);
            store(ramps + i, load(ramps + i) + gain * sum + older_ramp(older));
            store(sums + i, sum + older_sum(older));
        }
        length += back;
    };
    for (int bit = 30 - __builtin_clz(window); bit >= 0; --bit) {
        pass(length, [&](Index i) { return load(sums + i); },
             [&](Index i) { return load(ramps + i); });
        if ((window >> bit) & 1) pass(1, get, get);
    }
}

// out[r] = sum of the window with weights factor^age.
template <class Get>
inline void window_decays(Get get, double* out, Index rows, int window, double factor) {
    constexpr Index L = kLanes<double>;
    const Index end = rows * kStrip;
    for (Index i = 0; i < end; i += L) store(out + i, get(i));
    Index length = 1;
    const auto pass = [&](Index back, auto older) {
        const Vec<double> weight = splat(std::pow(factor, static_cast<double>(length)));
        for (Index i = end - L; i >= (length + back - 1) * kStrip; i -= L)
            store(out + i, load(out + i) + weight * older(i - length * kStrip));
        length += back;
    };
    for (int bit = 30 - __builtin_clz(window); bit >= 0; --bit) {
        pass(length, [&](Index i) { return load(out + i); });
        if ((window >> bit) & 1) pass(1, get);
    }
}

// Mean of each window with weight(age); `sum` fills an array with the weighted sums of what its
// first argument gives.
template <class T, class Weight, class Sum>
inline void weighted_mean(const Call<T>& s, Weight weight, Sum sum) {
    double* totals = take_sums(s);
    double* masses = take_sums(s);
    double mass = 0.0;
    for (int age = 0; age < s.window; ++age) mass += weight(age);
    for_blocks_of(s, [&](const Block& block, Index first, Index c) {
        if constexpr (!kDirect<T>) {
            sum([&](Index i) { return load(block.values + i); }, totals, block.rows);
            if (block.gaps) sum([&](Index i) { return load(block.present + i); }, masses, block.rows);
        }
        for_windows(block, first, s.window, [&](Index i, const Count& count, Index t, int k) {
            Vec<double> value;
            if constexpr (kDirect<T>) {
                const Direct direct(block, i, s.window, count.n);
                Vec<double> total{}, present{};
                int age = s.window;
                direct.each([&](Vec<double> v, Vec<double> here) {
                    const Vec<double> share = weight(--age) * here;
                    total += (v * direct.down - direct.middle) * share;
                    present += share;
                });
                value = direct.level(total / present);
            } else if (block.gaps) {
                value = load(totals + i) / load(masses + i);
            } else {
                value = load(totals + i) / splat(mass);
            }
            store_narrow(s.out + t * s.shape.stride + c + k * kLanes<double>,
                         enough<T>(count, s.min_periods, value));
        });
    });
}

template <class T>
void ts_decay_linear(const Call<T>& s) {
    double* sums = take_sums(s);
    weighted_mean(
        s, [&](int age) { return static_cast<double>(s.window - age); },
        [&](auto get, double* out, Index rows) { window_ramps(get, sums, out, rows, s.window); });
}

template <class T>
void ts_decay_exp_window(const Call<T>& s) {
    const double factor = s.params[0];
    weighted_mean(
        s, [&](int age) { return std::pow(factor, static_cast<double>(age)); },
        [&](auto get, double* out, Index rows) {
            window_decays(get, out, rows, s.window, factor);
        });
}

}  // namespace alphamine
