// What a pool keeps of a formula: centred daily ranks as whole numbers (products.hpp multiplies them).
//
// Cells are those of a sample's universe, day after day: cell c lies in column `columns[c]`, and
// the cells of day t are start[t] .. start[t + 1].
#pragma once

#include "scores.hpp"

namespace alphamine {

// Ranks the cells of each day, and calls `each` with the day, its values, their order, and twice
// their centred average ranks, 0 where there is no value. False without memory.
template <class T, class Each>
bool rank_days(const T* values, Index stride, const std::int32_t* columns,
               const std::int64_t* start, Index days, Each each) {
    Index widest = 0;
    for (Index t = 0; t < days; ++t) widest = std::max<Index>(widest, start[t + 1] - start[t]);
    const Index pitch = padded(widest + 1);
    Pages pages;
    if (!pages.ensure(512 * (pitch + kLaneBlock) + 8192)) return false;
    Arena arena(pages.data(), pages.bytes());
    T* rows = arena.take<T>(kKeyLanes * pitch);
    T* everyone = arena.take<T>(pitch);
    auto* centred = arena.take<std::int32_t>(pitch);
    std::fill(everyone, everyone + pitch, T(0));
    DaySorter<T> sorter(pitch, arena);
    for (Index first = 0; first < days; first += kKeyLanes) {
        const int group = static_cast<int>(std::min<Index>(kKeyLanes, days - first));
        DayCells<T> cells[kKeyLanes];
        for (int l = 0; l < group; ++l) {
            const T* seen_row = values + (first + l) * stride;
            const Index begin = start[first + l], count = start[first + l + 1] - begin;
            T* row = rows + l * pitch;
            const std::int32_t* names = columns + begin;
            // Cells of a projection stand group by group, not by column.
            const bool together = count && names[count - 1] - names[0] == count - 1;
            if (together && std::is_sorted(names, names + count))
                std::copy_n(seen_row + names[0], count, row);
            else
                for (Index c = 0; c < count; ++c) row[c] = seen_row[names[c]];
            cells[l] = {row, everyone, padded(count + 1)};
            std::fill(row + count, row + cells[l].columns, kNaN<T>);
        }
        sorter.sort(cells, group);
        for (int l = 0; l < group; ++l) {
            const SortedDay day = sorter.day(l);
            // Scattered stores of 16 bits take twice as long as those of 32.
            std::fill(centred, centred + padded(start[first + l + 1] - start[first + l]), 0);
            centre(day, kAsTheyStand, centred);
            each(first + l, cells[l].x, day, centred);
        }
    }
    return true;
}

// Sum of the squares of the centred ranks of a day that has so many cells.
inline double sum_of_squares(const SortedDay& day, const std::int32_t* centred, Index cells) {
    // Without ties they are 1 - m, 3 - m, ... m - 1.
    const double m = static_cast<double>(day.count);
    return day.tied ? dot(centred, centred, padded(cells)) : m * (m * m - 1.0) / 3.0;
}

// Twice the average rank among the day's cells minus its mean, 0 where there is no value; how many
// cells of each day have one; and the sum of the squares of its ranks. False without memory.
template <class T>
bool rank_cells(const T* values, Index stride, const std::int32_t* columns,
                const std::int64_t* start, Index days, std::int16_t* out, std::int64_t* present,
                double* squares) {
    const auto keep = [&](Index t, const T*, const SortedDay& day, const std::int32_t* centred) {
        const Index begin = start[t], count = start[t + 1] - begin;
        for (Index c = 0; c < count; ++c) out[begin + c] = static_cast<std::int16_t>(centred[c]);
        present[t] = day.count;
        squares[t] = sum_of_squares(day, centred, count);
    };
    return rank_days(values, stride, columns, start, days, keep);
}

// Adds `weight` times the ranks of each day, scaled to unit variance, to `total`, and marks in `known`
// the cells that have a value on a day whose values differ. False without memory.
template <class T>
bool add_ranks(const T* values, Index stride, const std::int32_t* columns,
               const std::int64_t* start, Index days, double weight, double* total, bool* known) {
    const auto add = [&](Index t, const T* row, const SortedDay& day, const std::int32_t* centred) {
        const Index begin = start[t], count = start[t + 1] - begin;
        const double squares = sum_of_squares(day, centred, count);
        if (!(squares > 0.0)) return;
        const double scale = std::sqrt(static_cast<double>(day.count) / squares);
        for (Index c = 0; c < count; ++c) {
            total[begin + c] += weight * centred[c] * scale;
            known[begin + c] |= row[c] == row[c];
        }
    };
    return rank_days(values, stride, columns, start, days, add);
}

}  // namespace alphamine
