// A sort of many rows at once: lane l of the registers v[0..n) is row l, so a sorting network needs
// nothing but minimum and maximum, which every instruction set has.
//
// The network is a bitonic merge sort whose merges start with a mirrored comparison: every
// comparison then puts the smaller key first, and those that reach beyond n can be left out (as if
// the rows were padded with infinities). Three layers at a time are done on eight registers, a
// third of the memory traffic, and large merges go depth first, block by block of the cache.
#pragma once

#include "lanes.hpp"

namespace alphamine {

constexpr Index kSortBlock = 8;     // n is a multiple of this
constexpr Index kCacheBlock = 512;  // registers that stay in the first-level cache

inline void order(Keys& low, Keys& high) {
    const Keys smaller = low < high ? low : high;
    high = low < high ? high : low;
    low = smaller;
}

// Eight registers, by the optimal network of 19 comparisons.
inline void sort_eight(Keys* v) {
    constexpr int pairs[19][2] = {{0, 2}, {1, 3}, {4, 6}, {5, 7}, {0, 4}, {1, 5}, {2, 6},
                                  {3, 7}, {0, 1}, {2, 3}, {4, 5}, {6, 7}, {2, 4}, {3, 5},
                                  {1, 4}, {3, 6}, {1, 2}, {3, 4}, {5, 6}};
    Keys r[8];
#pragma GCC unroll 8
    for (int j = 0; j < 8; ++j) r[j] = v[j];
#pragma GCC unroll 19
    for (int p = 0; p < 19; ++p) order(r[pairs[p][0]], r[pairs[p][1]]);
#pragma GCC unroll 8
    for (int j = 0; j < 8; ++j) v[j] = r[j];
}

// `Layers` successive layers on every block of `Block` registers of v[0..n). The groups of 2^Layers
// registers that they work on are made of registers i, i + step, ... of the block; those of a
// mirrored layer of such ones of its first half and of their mirror images. Registers at or beyond n
// count as infinite and are not written.
template <Index Block, int Layers, bool Mirror>
inline void merge_layers(Keys* v, Index n) {
    constexpr int size = 1 << Layers;
    constexpr Index step = Block / size;
    constexpr auto place = [](int j, Index i) {
        return Mirror && j >= size / 2 ? Block - 1 - i - (size - 1 - j) * step : i + j * step;
    };
    const auto group = [&](Keys* block, Index i, auto present) __attribute__((always_inline)) {
        Keys r[size];
#pragma GCC unroll 16
        for (int j = 0; j < size; ++j) r[j] = present(j) ? block[place(j, i)] : ~Keys{};
#pragma GCC unroll 16
        for (int j = 0; j < size / 2; ++j) order(r[j], r[Mirror ? size - 1 - j : j + size / 2]);
#pragma GCC unroll 4
        for (int s = size / 4; s > 0; s /= 2) {
#pragma GCC unroll 16
            for (int j = 0; j < size; ++j) {
                if ((j & s) == 0) order(r[j], r[j + s]);
            }
        }
#pragma GCC unroll 16
        for (int j = 0; j < size; ++j)
            if (present(j)) block[place(j, i)] = r[j];
    };
    Index start = 0;
    for (; start + Block <= n; start += Block)
        for (Index i = 0; i < step; ++i) group(v + start, i, [](int) { return true; });
    const Index rest = n - start;
    for (Index i = 0; i < step && i < rest; ++i) {
        if (place(size - 1, i) < rest)
            group(v + start, i, [](int) { return true; });
        else
            group(v + start, i, [&](int j) { return place(j, i) < rest; });
    }
}

// Sorts every bitonic block of v[0..n); `Block` is a power of two.
template <Index Block>
inline void clean(Keys* v, Index n) {
    if constexpr (Block > kCacheBlock) {
        merge_layers<Block, 3, false>(v, n);
        constexpr Index part = Block / 8 > kCacheBlock ? Block / 8 : kCacheBlock;
        for (Index start = 0; start < n; start += part)
            clean<Block / 8>(v + start, n - start < part ? n - start : part);
    } else if constexpr (Block >= 8) {
        merge_layers<Block, 3, false>(v, n);
        clean<Block / 8>(v, n);
    } else if constexpr (Block == 4) {
        merge_layers<4, 2, false>(v, n);
    } else if constexpr (Block == 2) {
        merge_layers<2, 1, false>(v, n);
    }
}

// Merges the sorted halves of every block of v[0..n).
template <Index Block>
inline void merge(Keys* v, Index n) {
    const Index rest = n % Block;
    if (rest <= Block / 2) n -= rest;  // the last block has one half only
    merge_layers<Block, 3, true>(v, n);
    constexpr Index part = Block / 8 > kCacheBlock ? Block / 8 : kCacheBlock;
    for (Index start = 0; start < n; start += part)
        clean<Block / 8>(v + start, n - start < part ? n - start : part);
}

// Sorts every lane of v[0..n) and merges them up to blocks of `Block`, n <= Block.
template <Index Block>
inline void sort_up_to(Keys* v, Index n) {
    if constexpr (Block == kSortBlock) {
        for (Index i = 0; i < n; i += kSortBlock) sort_eight(v + i);
    } else if constexpr (Block <= kCacheBlock) {
        sort_up_to<Block / 2>(v, n);
        if (n > Block / 2) merge<Block>(v, n);
    } else {
        if (n <= Block / 2) return sort_up_to<Block / 2>(v, n);
        sort_up_to<Block / 2>(v, Block / 2);
        sort_up_to<Block / 2>(v + Block / 2, n - Block / 2);
        merge<Block>(v, n);
    }
}

// Sorts every lane of v[0..n), n a multiple of kSortBlock up to 2^20.
inline void sort_lanes(Keys* v, Index n) { sort_up_to<Index{1} << 20>(v, n); }

// Sorts keys by the bits from `low` on, and leaves equal ones as they stand: digits of eleven bits, the
// last one first. `other` is scratch of the same length.
inline void sort_by_digits(std::uint32_t* keys, std::uint32_t* other, Index n, int low) {
    constexpr int bits = 11;
    std::uint32_t* from = keys;
    std::uint32_t* to = other;
    for (int shift = low; shift < 32; shift += bits) {
        std::uint32_t place[1 << bits] = {}, total = 0;
        constexpr std::uint32_t digit = (1u << bits) - 1;
        for (Index i = 0; i < n; ++i) ++place[from[i] >> shift & digit];
        for (std::uint32_t& count : place) total += std::exchange(count, total);
        for (Index i = 0; i < n; ++i) to[place[from[i] >> shift & digit]++] = from[i];
        std::swap(from, to);
    }
    if (from != keys) std::copy_n(from, n, keys);
}

}  // namespace alphamine
