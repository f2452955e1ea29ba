// What a pool keeps of a formula: centred daily ranks as whole numbers, and their daily products.
//
// Cells are those of a sample's universe, day after day: cell c lies in column `columns[c]`, and
// the cells of day t are start[t] .. start[t + 1].
#pragma once

#include "scores.hpp"

namespace alphamine {

// Twice the average rank minus its mean, by column; 0 for columns that have no rank.
inline void centre(const SortedDay& day, std::int32_t* centred, Index stride) {
    std::fill(centred, centred + stride, 0);
    const std::int32_t mean = static_cast<std::int32_t>(day.count) - 1;
    for (Index i = 0; i < day.count; ++i) {
        const std::int32_t twice = static_cast<std::int32_t>(day.tied ? day.twice[i] : 2 * i);
        centred[day.order[i]] = twice - mean;
    }
}

// Twice the average rank among the day's cells minus its mean; 0 where there is no value. False
// without memory.
template <class T>
bool rank_cells(const T* values, Index stride, const std::int32_t* columns,
                const std::int64_t* start, Index days, std::int16_t* out) {
    Index widest = 0;
    for (Index t = 0; t < days; ++t) widest = std::max<Index>(widest, start[t + 1] - start[t]);
    const Index pitch = (widest / kLaneBlock + 1) * kLaneBlock;
    Pages pages;
    if (!pages.ensure(512 * (pitch + kLaneBlock) + 8192)) return false;
    Arena arena(pages.data(), pages.bytes());
    T* rows = arena.take<T>(kKeyLanes * pitch);
    T* everyone = arena.take<T>(pitch);
    std::int32_t* centred = arena.take<std::int32_t>(pitch);
    std::fill(everyone, everyone + pitch, T(0));
    DaySorter<T> sorter(pitch, arena);
    for (Index first = 0; first < days; first += kKeyLanes) {
        const int group = static_cast<int>(std::min<Index>(kKeyLanes, days - first));
        for (int l = 0; l < group; ++l) {
            const T* seen_row = values + (first + l) * stride;
            const Index begin = start[first + l], count = start[first + l + 1] - begin;
            T* row = rows + l * pitch;
            for (Index c = 0; c < count; ++c) row[c] = seen_row[columns[begin + c]];
            std::fill(row + count, row + pitch, kNaN<T>);
        }
        DayCells<T> cells[kKeyLanes];
        for (int l = 0; l < group; ++l) cells[l] = {rows + l * pitch, everyone, pitch};
        sorter.sort(cells, group);
        for (int l = 0; l < group; ++l) {
            const Index begin = start[first + l], count = start[first + l + 1] - begin;
            centre(sorter.day(l), centred, pitch);
            std::copy(centred, centred + count, out + begin);
        }
    }
    return true;
}

// Whole numbers below 2^15: exact, so that the order of summation does not matter. Partial sums of
// `block` products stay inside 32 bits.
inline double cell_product(const std::int16_t* a, const std::int16_t* b, Index count) {
    const Index block = std::max<Index>(1, (Index{1} << 31) / std::max<Index>(1, count * count) - 1);
    std::int64_t total = 0;
    for (Index begin = 0; begin < count; begin += block) {
        const Index end = std::min(count, begin + block);
        std::int32_t sum = 0;
        for (Index i = begin; i < end; ++i) sum += std::int32_t{a[i]} * std::int32_t{b[i]};
        total += sum;
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
    for (Index t = 0; t < days; ++t) {
        const Index begin = start[t], count = start[t + 1] - begin;
        for (Index k = 0; k < members; ++k)
            out[k * days + t] = cell_product(x + begin, others[k] + begin, count);
    }
}

}  // namespace alphamine
