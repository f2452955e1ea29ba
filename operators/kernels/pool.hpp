// What a pool keeps of a formula: centred daily ranks as whole numbers, and their daily products.
//
// Cells are those of a sample's universe, day after day: cell c lies in column `columns[c]`, and
// the cells of day t are start[t] .. start[t + 1].
#pragma once

#include "scores.hpp"

namespace alphamine {

// Twice the average rank among the day's cells minus its mean, 0 where there is no value, and how
// many cells of each day have one. False without memory.
template <class T>
bool rank_cells(const T* values, Index stride, const std::int32_t* columns,
                const std::int64_t* start, Index days, std::int16_t* out,
                std::int64_t* present) {
    Index widest = 0;
    for (Index t = 0; t < days; ++t) widest = std::max<Index>(widest, start[t + 1] - start[t]);
    const Index pitch = padded(widest + 1);
    Pages pages;
    if (!pages.ensure(512 * (pitch + kLaneBlock) + 8192)) return false;
    Arena arena(pages.data(), pages.bytes());
    T* rows = arena.take<T>(kKeyLanes * pitch);
    T* everyone = arena.take<T>(pitch);
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
            if (count && names[count - 1] - names[0] == count - 1)
                std::copy_n(seen_row + names[0], count, row);
            else
                for (Index c = 0; c < count; ++c) row[c] = seen_row[names[c]];
            cells[l] = {row, everyone, padded(count + 1)};
            std::fill(row + count, row + cells[l].columns, kNaN<T>);
        }
        sorter.sort(cells, group);
        for (int l = 0; l < group; ++l) {
            const SortedDay day = sorter.day(l);
            std::int16_t* ranks = out + start[first + l];
            const std::int64_t count = start[first + l + 1] - start[first + l];
            if (day.count < count) std::fill(ranks, ranks + count, std::int16_t{0});
            const Index centre = day.count - 1;
            if (day.tied)
                for (Index i = 0; i < day.count; ++i)
                    ranks[day.order[i]] = static_cast<std::int16_t>(Index{day.twice[i]} - centre);
            else
                for (Index i = 0; i < day.count; ++i)
                    ranks[day.order[i]] = static_cast<std::int16_t>(2 * i - centre);
            present[first + l] = day.count;
        }
    }
    return true;
}

inline std::int32_t short_product(const std::int16_t* a, const std::int16_t* b, Index count) {
    std::int32_t sum = 0;
    for (Index i = 0; i < count; ++i) sum += std::int32_t{a[i]} * std::int32_t{b[i]};
    return sum;
}

// Whole numbers below `count`: exact, so that the order of summation does not matter. Partial sums
// of `block` products stay inside 32 bits; below 1,290 names that is all of them.
inline double cell_product(const std::int16_t* a, const std::int16_t* b, Index count) {
    if (count < 1290) return short_product(a, b, count);
    const Index block = std::max<Index>(1, (Index{1} << 31) / (count * count) - 1);
    std::int64_t total = 0;
    for (Index begin = 0; begin < count; begin += block) {
        const Index end = std::min(count, begin + block);
        total += short_product(a + begin, b + begin, end - begin);
    }
    return static_cast<double>(total);
}

// Eight interleaved sums whatever the registers, so that every instruction set gives the same bits.
inline double cell_product(const double* a, const double* b, Index count) {
    double sums[8] = {};
    Index i = 0;
    for (; i + 8 <= count; i += 8) {
#pragma GCC unroll 8
        for (int l = 0; l < 8; ++l) sums[l] += a[i + l] * b[i + l];
    }
    for (int l = 0; i < count; ++i, ++l) sums[l] += a[i] * b[i];
    return ((sums[0] + sums[1]) + (sums[2] + sums[3])) + ((sums[4] + sums[5]) + (sums[6] + sums[7]));
}

// out[k, t]: sum over the cells of day t of x times others[k].
template <class V>
void cell_products(const V* x, const V* const* others, Index members, const std::int64_t* start,
                   Index days, double* out) {
    // Member by member: x stays in the cache, and each other is read in one stream.
    for (Index k = 0; k < members; ++k) {
        for (Index t = 0; t < days; ++t)
            out[k * days + t] = cell_product(x + start[t], others[k] + start[t], start[t + 1] - start[t]);
    }
}

}  // namespace alphamine
