// What a pool keeps of a formula: centred daily ranks as whole numbers (products.hpp multiplies them).
//
// Cells are those of a sample's universe, day after day: cell c lies in column `columns[c]`, and
// the cells of day t are start[t] .. start[t + 1].
#pragma once

#include "scores.hpp"

namespace alphamine {

// Twice the average rank among the day's cells minus its mean, 0 where there is no value; how many
// cells of each day have one; and the sum of the squares of its ranks. False without memory.
template <class T>
bool rank_cells(const T* values, Index stride, const std::int32_t* columns,
                const std::int64_t* start, Index days, std::int16_t* out, std::int64_t* present,
                double* squares) {
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
            const Index begin = start[first + l], count = start[first + l + 1] - begin;
            // Scattered stores of 16 bits take twice as long as those of 32.
            std::fill(centred, centred + padded(count), 0);
            centre(day, kAsTheyStand, centred);
            for (Index c = 0; c < count; ++c)
                out[begin + c] = static_cast<std::int16_t>(centred[c]);
            present[first + l] = day.count;
            // Without ties they are 1 - m, 3 - m, ... m - 1.
            const double m = static_cast<double>(day.count);
            squares[first + l] =
                day.tied ? dot(centred, centred, padded(count)) : m * (m * m - 1.0) / 3.0;
        }
    }
    return true;
}

}  // namespace alphamine
