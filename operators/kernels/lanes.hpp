// Registers of 32-bit keys, and the transposition that turns rows into lanes and back.
#pragma once

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

}  // namespace alphamine
