// Daily sums of products of what a pool keeps of its formulas: ranks as whole numbers, or values.
//
// Sums of whole numbers are exact, so that the order of summation does not matter.
#pragma once

#include <algorithm>
#include <cstring>

#include "kernel.hpp"

namespace alphamine {

typedef std::int16_t Shorts __attribute__((vector_size(AM_VECTOR_BYTES)));
typedef std::int32_t Ints __attribute__((vector_size(AM_VECTOR_BYTES)));
constexpr Index kShorts = AM_VECTOR_BYTES / sizeof(std::int16_t);

inline Shorts load_shorts(const std::int16_t* p) {
    Shorts v;
    std::memcpy(&v, p, sizeof v);
    return v;
}

// Each lane: the sum of two neighbouring products.
inline Ints pair_products(Shorts a, Shorts b) {
#if defined(__AVX512BW__)
    return (Ints)_mm512_madd_epi16((__m512i)a, (__m512i)b);
#elif defined(__AVX2__)
    return (Ints)_mm256_madd_epi16((__m256i)a, (__m256i)b);
#elif defined(__SSE2__)
    return (Ints)_mm_madd_epi16((__m128i)a, (__m128i)b);
#else
    Ints sums;
    for (Index l = 0; l < kShorts / 2; ++l) sums[l] = a[2 * l] * b[2 * l] + a[2 * l + 1] * b[2 * l + 1];
    return sums;
#endif
}

// Keeps the last lanes of a register: `kLastShorts + n` is a mask of n of them.
struct LastShorts {
    std::int16_t lanes[2 * kShorts];
    constexpr LastShorts() : lanes{} {
        for (Index l = kShorts; l < 2 * kShorts; ++l) lanes[l] = -1;
    }
};
constexpr LastShorts kLastShorts;

// totals[k] += the sum of x times others[k] over the cells from `begin` to `end`, which must not
// overflow 32 bits.
template <int Members>
inline void add_products(const std::int16_t* x, const std::int16_t* const* others, Index begin,
                         Index end, std::int64_t* totals) {
    if (end - begin < kShorts) {
        for (int k = 0; k < Members; ++k)
            for (Index i = begin; i < end; ++i) totals[k] += std::int32_t{x[i]} * others[k][i];
        return;
    }
    Ints sums[Members] = {};
    Index i = begin;
    for (; i + kShorts <= end; i += kShorts) {
        const Shorts a = load_shorts(x + i);
#pragma GCC unroll 4
        for (int k = 0; k < Members; ++k) sums[k] += pair_products(a, load_shorts(others[k] + i));
    }
    if (i < end) {
        // The last register reaches back over cells that have been counted.
        const Index last = end - kShorts;
        const Shorts a = load_shorts(x + last) & load_shorts(kLastShorts.lanes + (end - i));
#pragma GCC unroll 4
        for (int k = 0; k < Members; ++k) sums[k] += pair_products(a, load_shorts(others[k] + last));
    }
    for (int k = 0; k < Members; ++k) {
        std::int32_t total = 0;
        for (Index l = 0; l < kShorts / 2; ++l) total += sums[k][l];
        totals[k] += total;
    }
}

// Twice centred ranks are below the number of cells, so sums of `block` products stay inside 32
// bits; below 1,290 names that is the whole day.
template <int Members>
inline void day_products(const std::int16_t* x, const std::int16_t* const* others, Index begin,
                         Index end, double* out, Index pitch) {
    const Index count = end - begin;
    const Index block = count < 1290 ? count : std::max<Index>(1, (Index{1} << 31) / (count * count) - 1);
    std::int64_t totals[Members] = {};
    for (Index i = begin; i < end; i += block)
        add_products<Members>(x, others, i, std::min(end, i + block), totals);
    for (int k = 0; k < Members; ++k) out[k * pitch] = static_cast<double>(totals[k]);
}

// Eight interleaved sums whatever the registers, so that every instruction set gives the same bits.
template <int Members>
inline void day_products(const double* x, const double* const* others, Index begin, Index end,
                         double* out, Index pitch) {
    for (int k = 0; k < Members; ++k) {
        const double* y = others[k];
        double s[8] = {};
        Index i = begin;
        for (; i + 8 <= end; i += 8) {
#pragma GCC unroll 8
            for (int l = 0; l < 8; ++l) s[l] += x[i + l] * y[i + l];
        }
        for (int l = 0; i < end; ++i, ++l) s[l] += x[i] * y[i];
        out[k * pitch] = ((s[0] + s[1]) + (s[2] + s[3])) + ((s[4] + s[5]) + (s[6] + s[7]));
    }
}

// Members of a pool: their cells, and what these are multiplied with day by day.
template <class V>
struct Members {
    const V* const* cells;
    const double* const* scales;
    const std::int64_t* start;
    Index days;
};

template <int Together, class V>
void products_with(const V* x, const double* scale, Members<V> members, Index first, double* out) {
    const Index days = members.days;
    for (Index t = 0; t < days; ++t) {
        double* sums = out + first * days + t;
        day_products<Together>(x, members.cells + first, members.start[t], members.start[t + 1],
                               sums, days);
        for (int k = 0; k < Together; ++k) sums[k * days] *= scale[t] * members.scales[first + k][t];
    }
}

// out[k, t]: sum over the cells of day t of x times those of member k, both scaled.
template <class V>
void cell_products(const V* x, const double* scale, Members<V> members, Index count, double* out) {
    // Four streams keep more of the memory busy than one, and x is read a quarter as often.
    constexpr int together = 4;
    Index k = 0;
    for (; k + together <= count; k += together) products_with<together>(x, scale, members, k, out);
    for (; k < count; ++k) products_with<1>(x, scale, members, k, out);
}

}  // namespace alphamine
