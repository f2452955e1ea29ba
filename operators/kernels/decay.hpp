// Weighted means of windows.
#pragma once

#include "moments.hpp"

namespace alphamine {

// Mean of a register of windows with weight(age).
template <class Weight>
inline Vec<double> direct_weighted_mean(const Direct<double>& direct, int window, Weight weight) {
    Vec<double> total{}, mass{};
    int age = window;
    direct.each([&](Vec<double> v, Vec<double> here) {
        const Vec<double> share = weight(--age) * here;
        total += (v * direct.down - direct.middle) * share;
        mass += share;
    });
    return direct.level(total / mass);
}

// Mean of each window with weight(age), in double storage.
template <class Weight>
inline void write_weighted_means(const Call<double>& s, Weight weight) {
    for_blocks_of(s, [&](const Block<double>& block, Index first, Index c) {
        write_windows(s, block, first, c, s.min_periods, [&](Index i, const Count& count, Index) {
            const Direct<double> direct(block, i, s.window, count.n);
            return direct_weighted_mean(direct, s.window, weight);
        });
    });
}

template <class T>
void ts_decay_linear(const Call<T>& s) {
    const double size = s.window;
    if constexpr (kDirect<T>) {
        write_weighted_means(s, [=](int age) { return size - age; });
    } else {
        const Vec<double> inverse = splat(2.0 / (size * (size + 1.0)));
        double* counts = s.arena->template take<double>(block_cells(s.window));
        double* masses = s.arena->template take<double>(block_cells(s.window));
        for_summed_blocks<kRamps>(s, [&](const auto& sums, const Block<T>& block, Index first, Index c) {
            const bool whole = !block.gaps || s.min_periods >= s.window;
            const auto present = [cells = block.present](Index i) { return load_wide(cells + i); };
            if (!whole) window_ramps(present, counts, masses, block.rows, s.window);
            write_judgements<Finish::plain>(
                s, block, first, c, s.min_periods, sums,
                [=](const Sums& of, const Count& count, Index i, Index, Judged& judged) {
                    judged.over = of.ramp * inverse;
                    if (whole) return;
                    const Vec<double> mean = of.ramp / load(masses + i);
                    judged.over = count.n == size ? judged.over : mean;
                });
        });
    }
}

// The sums of powers of the factor are no running sums: they are rounded. By doubling.
template <class T>
void ts_decay_exp_window(const Call<T>& s) {
    const double factor = s.params[0];
    const auto weight = [=](int age) { return std::pow(factor, static_cast<double>(age)); };
    if constexpr (kDirect<T>) {
        write_weighted_means(s, weight);
    } else {
        double* totals = s.arena->template take<double>(block_cells(s.window));
        double* masses = s.arena->template take<double>(block_cells(s.window));
        double mass = 0.0;
        for (int age = 0; age < s.window; ++age) mass += weight(age);
        const Vec<double> inverse = splat(1.0 / mass);
        for_blocks_of(s, [&](const Block<T>& block, Index first, Index c) {
            const auto decayed = [&](const T* cells, double* out) {
                window_decays([=](Index i) { return load_wide(cells + i); }, out, block.rows,
                              s.window, factor);
            };
            decayed(block.values, totals);
            const bool whole = !block.gaps || s.min_periods >= s.window;
            if (!whole) decayed(block.present, masses);
            write_windows(s, block, first, c, s.min_periods, [=](Index i, const Count& count, Index) {
                const Vec<double> full = load(totals + i) * inverse;
                if (whole) return full;
                return count.n == static_cast<double>(s.window) ? full
                                                                : load(totals + i) / load(masses + i);
            });
        });
    }
}

}  // namespace alphamine
