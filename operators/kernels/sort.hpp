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

// Where the j-th of a group of `size` registers lies. The groups of a mirrored layer are made of
// registers i, i + step, ... of the first half and of their mirror images in the block.
template <bool Mirror>
inline Index place(int j, int size, Index i, Index step, Index block) {
    return Mirror && j >= size / 2 ? block - 1 - i - (size - 1 - j) * step : i + j * step;
}

// `Layers` successive layers on the group of 2^Layers registers that starts at v[i]; with `Cut`
// those at or beyond n count as infinite and are not written.
template <int Layers, bool Mirror, bool Cut>
inline void merge_group(Keys* v, Index i, Index step, Index block, Index n) {
    constexpr int size = 1 << Layers;
    Keys r[size];
#pragma GCC unroll 8
    for (int j = 0; j < size; ++j) {
        const Index at = place<Mirror>(j, size, i, step, block);
        r[j] = !Cut || at < n ? v[at] : ~Keys{};
    }
#pragma GCC unroll 8
    for (int j = 0; j < size / 2; ++j) order(r[j], r[Mirror ? size - 1 - j : j + size / 2]);
#pragma GCC unroll 3
    for (int s = size / 4; s > 0; s /= 2) {
#pragma GCC unroll 8
        for (int j = 0; j < size; ++j) {
            if ((j & s) == 0) order(r[j], r[j + s]);
        }
    }
#pragma GCC unroll 8
    for (int j = 0; j < size; ++j) {
        const Index at = place<Mirror>(j, size, i, step, block);
        if (!Cut || at < n) v[at] = r[j];
    }
}

// `Layers` layers on every block of v[0..n).
template <int Layers, bool Mirror>
inline void merge_layers(Keys* v, Index block, Index n) {
    constexpr int size = 1 << Layers;
    const Index step = block / size;
    for (Index start = 0; start < n; start += block) {
        const Index rest = n - start;
        for (Index i = 0; i < step && i < rest; ++i) {
            if (place<Mirror>(size - 1, size, i, step, block) < rest) {
                merge_group<Layers, Mirror, false>(v + start, i, step, block, rest);
            } else {
                merge_group<Layers, Mirror, true>(v + start, i, step, block, rest);
            }
        }
    }
}

// Sorts every bitonic block of v[0..n); `block` is a power of two.
inline void clean(Keys* v, Index block, Index n) {
    if (block > kCacheBlock) {
        merge_layers<3, false>(v, block, n);
        const Index part = block / 8 > kCacheBlock ? block / 8 : kCacheBlock;
        for (Index start = 0; start < n; start += part) {
            clean(v + start, block / 8, n - start < part ? n - start : part);
        }
        return;
    }
    for (; block >= 8; block /= 8) merge_layers<3, false>(v, block, n);
    if (block == 4) merge_layers<2, false>(v, block, n);
    if (block == 2) merge_layers<1, false>(v, block, n);
}

// Merges the sorted halves of every block of v[0..n).
inline void merge(Keys* v, Index block, Index n) {
    const Index rest = n % block;
    if (rest <= block / 2) n -= rest;  // the last block has one half only
    merge_layers<3, true>(v, block, n);
    const Index part = block / 8 > kCacheBlock ? block / 8 : kCacheBlock;
    for (Index start = 0; start < n; start += part) {
        clean(v + start, block / 8, n - start < part ? n - start : part);
    }
}

// Sorts every lane of v[0..n), n a multiple of kSortBlock.
inline void sort_lanes(Keys* v, Index n) {
    Index block = 2 * kSortBlock;
    if (n > kCacheBlock) {
        while (block < n) block *= 2;
        sort_lanes(v, block / 2);
        sort_lanes(v + block / 2, n - block / 2);
        return merge(v, block, n);
    }
    for (Index i = 0; i < n; i += kSortBlock) sort_eight(v + i);
    for (; block / 2 < n; block *= 2) merge(v, block, n);
}

}  // namespace alphamine
