// Weighted means of windows, by doubling: the sum of a window from those of its two halves, the
// older half with the weights that its age asks for.
#pragma once

#include "moments.hpp"

namespace alphamine {

// sums[r] = sum of the window, ramps[r] = sum with weights 1 (oldest) to `window` (today).
template <class Get>
inline void window_ramps(Get get, double* sums, double* ramps, Index rows, int window) {
    int rest = with_head(window, [&](auto head) {
        for_recent<head()>(get, rows, [=](Index i, const Vec<double>* recent) {
            // Adding up the shorter sums weights each value by the number of those that hold it.
            Vec<double> sum = recent[0], ramp = recent[0];
            for (int j = 1; j < head(); ++j) {
                sum += recent[j];
                ramp += sum;
            }
            store(sums + i, sum);
            store(ramps + i, ramp);
        });
    });
    int length = window >> rest;
    while (rest > 0) {
        const bool odd = (window >> --rest) & 1;
        // The newer half gains the length of the older one on every weight.
        const Vec<double> gain = splat(static_cast<double>(length));
        double_once(length, rows, odd, [=](Index i, Index back) {
            const Vec<double> newer = load(sums + i), older = load(sums + i - back);
            Vec<double> sum = newer + older;
            Vec<double> ramp = load(ramps + i) + gain * newer + load(ramps + i - back);
            if (odd) {
                const Vec<double> oldest = get(i - 2 * back);
                ramp += sum + oldest;
                sum += oldest;
            }
            store(sums + i, sum);
            store(ramps + i, ramp);
        });
    }
}

// out[r] = sum of the window with weights factor^age.
template <class Get>
inline void window_decays(Get get, double* out, Index rows, int window, double factor) {
    int rest = with_head(window, [&](auto head) {
        for_recent<head()>(get, rows, [=](Index i, const Vec<double>* recent) {
            Vec<double> sum = recent[head() - 1];
            for (int j = head() - 2; j >= 0; --j) sum = sum * factor + recent[j];
            store(out + i, sum);
        });
    });
    int length = window >> rest;
    while (rest > 0) {
        const bool odd = (window >> --rest) & 1;
        const Vec<double> older = splat(std::pow(factor, static_cast<double>(length)));
        const Vec<double> oldest = splat(std::pow(factor, 2.0 * length));
        double_once(length, rows, odd, [=](Index i, Index back) {
            Vec<double> sum = load(out + i) + older * load(out + i - back);
            if (odd) sum += oldest * get(i - 2 * back);
            store(out + i, sum);
        });
    }
}

// Mean of a register of windows with weight(age).
template <class Weight>
inline Vec<double> direct_weighted_mean(const Direct& direct, int window, Weight weight) {
    Vec<double> total{}, mass{};
    int age = window;
    direct.each([&](Vec<double> v, Vec<double> here) {
        const Vec<double> share = weight(--age) * here;
        total += (v * direct.down - direct.middle) * share;
        mass += share;
    });
    return direct.level(total / mass);
}

// Mean of each window with weight(age); sum(get, out, rows) fills an array with the weighted sums of
// what `get` gives.
template <class T, class Weight, class Sum>
inline void weighted_mean(const Call<T>& s, Weight weight, Sum sum) {
    double *totals = take_sums(s), *masses = take_sums(s);
    double mass = 0.0;
    for (int age = 0; age < s.window; ++age) mass += weight(age);
    const Vec<double> inverse = splat(1.0 / mass);
    for_blocks_of(s, only_whole(s, s.min_periods), [&](const Block& block, Index first, Index c) {
        if constexpr (!kDirect<T>) {
            sum([x = block.values](Index i) { return load(x + i); }, totals, block.rows);
            if (block.gaps)
                sum([x = block.present](Index i) { return load(x + i); }, masses, block.rows);
        }
        write_windows(s, block, first, c, s.min_periods, [&](Index i, const Count& count, Index) {
            if constexpr (kDirect<T>)
                return direct_weighted_mean(Direct(block, i, s.window, count.n), s.window, weight);
            const Vec<double> whole = load(totals + i) * inverse;
            if (!block.gaps) return whole;
            return count.n == static_cast<double>(s.window) ? whole
                                                            : load(totals + i) / load(masses + i);
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
