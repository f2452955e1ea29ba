// One kernel call as the executor makes it: all kernels have the signature void(const Call<T>&).
#pragma once

#include <utility>

#include "kernel.hpp"

namespace alphamine {

// Infinities of a row become NaN; returns how many there were.
template <class T>
inline std::int64_t clear_infinities(T* row, Index columns) {
    std::int64_t found = 0;
    for (Index c = 0; c < columns; ++c) {
        if (std::abs(row[c]) != kInf<T>) continue;
        row[c] = kNaN<T>;
        ++found;
    }
    return found;
}

constexpr int kInputs = 3;
constexpr int kParams = 6;

template <class T>
struct Call {
    const void* in[kInputs];
    Index stride[kInputs];  // 0 for a literal: every row is the same
    T* out;
    const T* inside;  // the universe as an additive mask
    Shape shape;
    Index first;  // rows before it are read but not written; only kernels that look back have any
    int window;
    int min_periods;
    const double* params;
    Arena* arena;
    std::int64_t* infinite;  // how many infinities became NaN

    const T* input(std::size_t i) const { return static_cast<const T*>(in[i]); }
};

}  // namespace alphamine
