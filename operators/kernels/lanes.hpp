// Registers of 32-bit keys, and the transposition that turns rows into lanes and back.
#pragma once

#include <cstring>
#include <utility>

#include "kernel.hpp"

namespace alphamine {

typedef std::uint32_t Keys __attribute__((vector_size(AM_VECTOR_BYTES)));
constexpr int kKeyLanes = AM_VECTOR_BYTES / sizeof(std::uint32_t);

// Where element `lane` of the interleaving of two registers comes from: alternating runs of `unit`
// elements within groups (of 128 bits at least, where every instruction set interleaves), from the
// low or the high half of each group. Elements of the second register count from kKeyLanes.
constexpr int interleaved(int lane, int unit, bool high) {
    const int group = 2 * unit > 4 ? 2 * unit : 4;
    const int inside = lane % group, run = inside / unit;
    const int source = lane - inside + (run / 2) * unit + inside % unit + (high ? group / 2 : 0);
    return source + (run % 2) * kKeyLanes;
}

template <int Unit, bool High, std::size_t... Lane>
inline Keys interleave(Keys a, Keys b, std::index_sequence<Lane...>) {
    return __builtin_shufflevector(a, b, interleaved(Lane, Unit, High)...);
}

template <int Unit>
inline void transpose_step(Keys* r) {
    using Lanes = std::make_index_sequence<kKeyLanes>;
#pragma GCC unroll 16
    for (int i = 0; i < kKeyLanes; ++i) {
        if ((i & Unit) != 0) continue;
        const Keys a = r[i], b = r[i + Unit];
        r[i] = interleave<Unit, false>(a, b, Lanes{});
        r[i + Unit] = interleave<Unit, true>(a, b, Lanes{});
    }
}

// Transposes the square matrix r[0..kKeyLanes).
inline void transpose(Keys* r) {
    transpose_step<1>(r);
    transpose_step<2>(r);
    if constexpr (kKeyLanes > 4) transpose_step<4>(r);
    if constexpr (kKeyLanes > 8) transpose_step<8>(r);
    // The two steps inside 128 bits leave the middle rows of each four exchanged.
#pragma GCC unroll 4
    for (int i = 0; i < kKeyLanes; i += 4) std::swap(r[i + 1], r[i + 2]);
}

inline Keys load_keys(const std::uint32_t* p) {
    Keys keys;
    std::memcpy(&keys, p, sizeof keys);
    return keys;
}
inline void store_keys(std::uint32_t* p, Keys keys) { std::memcpy(p, &keys, sizeof keys); }

// Keys from `First` on, as many as a register has doubles, as doubles; the keys are below 2^31.
template <int First, std::size_t... Lane>
inline Vec<double> widen(Keys keys, std::index_sequence<Lane...>) {
    typedef std::int32_t Half __attribute__((vector_size(AM_VECTOR_BYTES / 2)));
    const Half half = (Half)__builtin_shufflevector(keys, keys, (First + Lane)...);
    return __builtin_convertvector(half, Vec<double>);
}
template <int First>
inline Vec<double> widen(Keys keys) {
    return widen<First>(keys, std::make_index_sequence<kLanes<double>>{});
}

// Stores the chosen keys side by side, and garbage up to a whole register; gives their number.
#if defined(__AVX512F__)
inline int store_chosen(std::uint32_t* p, Keys keys, Mask<float> chosen) {
    const __mmask16 bits = _mm512_movepi32_mask((__m512i)chosen);
    store_keys(p, (Keys)_mm512_maskz_compress_epi32(bits, (__m512i)keys));
    return __builtin_popcount(bits);
}
#elif defined(__AVX2__)
// For each set of lanes, the lanes of the set in order.
struct LaneOrders {
    std::uint8_t lanes[256][8];
    constexpr LaneOrders() : lanes{} {
        for (int set = 0; set < 256; ++set)
            for (int lane = 0, used = 0; lane < 8; ++lane)
                if (set >> lane & 1) lanes[set][used++] = static_cast<std::uint8_t>(lane);
    }
};
alignas(64) constexpr LaneOrders kLaneOrders;

inline int store_chosen(std::uint32_t* p, Keys keys, Mask<float> chosen) {
    const int bits = _mm256_movemask_ps((__m256)chosen);
    const __m128i lanes = _mm_loadl_epi64((const __m128i*)kLaneOrders.lanes[bits]);
    store_keys(p, (Keys)_mm256_permutevar8x32_epi32((__m256i)keys, _mm256_cvtepu8_epi32(lanes)));
    return __builtin_popcount(bits);
}
#else
inline int store_chosen(std::uint32_t* p, Keys keys, Mask<float> chosen) {
    int used = 0;
    for (int l = 0; l < kKeyLanes; ++l) {
        p[used] = keys[l];
        used -= chosen[l];
    }
    return used;
}
#endif

}  // namespace alphamine
