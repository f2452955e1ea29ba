// Windows of rows by doubling: the sum of w rows from sums of w/2 rows, in log2(w) passes.
//
// Each sum is made of the window's own rows in an order that depends on w alone, so a value has the
// same bits wherever the series starts and whatever came before: running sums cannot offer that.
#pragma once

#include <algorithm>

#include "kernel.hpp"

namespace alphamine {

// A block is kStrip columns wide; it holds the rows whose windows are wanted and the w - 1 before.
constexpr Index kStrip = 8;
constexpr int kParts = kStrip / kLanes<double>;

inline Index block_rows(int window) { return std::max<Index>(128, 2 * window); }

// Runs body(first, rows) over the rows of a series in blocks; each block starts at row `first`.
template <class Body>
inline void for_blocks(Shape shape, int window, Body body) {
    const Index step = block_rows(window);
    for (Index first = 0; first < shape.rows; first += step)
        body(first, std::min(step, shape.rows - first));
}

// The values of one strip and block as doubles: 0 where missing, and who is present.
// Row r of the block is row first - (window - 1) - lag + r of the series; rows before it are missing.
struct Block {
    double* values;
    double* present;  // 1 or 0; valid only if `gaps`
    Index rows;       // wanted rows + window - 1
    bool gaps;
};

inline Block take_block(int window, Arena& arena) {
    const std::size_t cells = (block_rows(window) + window) * kStrip;
    double* values = arena.take<double>(cells);
    return Block{values, arena.take<double>(cells), 0, false};
}

template <class T>
inline void load_block(Block& block, const T* x, Index stride, Index first, Index rows, int window,
                       Index lag = 0) {
    const Index lead = window - 1 + lag;
    block.rows = rows + window - 1;
    const Index missing = std::min(block.rows, std::max<Index>(0, lead - first));
    std::fill_n(block.values, missing * kStrip, 0.0);
    Mask<double> gaps{};
    for (Index r = missing; r < block.rows; ++r) {
        const T* source = x + (first - lead + r) * stride;
        for (int k = 0; k < kParts; ++k) {
            const Vec<double> v = load_wide(source + k * kLanes<double>);
            const Mask<double> here = v == v;
            gaps |= ~here;
            store(block.values + r * kStrip + k * kLanes<double>, only(here, v));
        }
    }
    block.gaps = missing > 0 || any(gaps);
    if (!block.gaps) return;
    std::fill_n(block.present, missing * kStrip, 0.0);
    for (Index r = missing; r < block.rows; ++r) {
        const T* source = x + (first - lead + r) * stride;
        for (int k = 0; k < kParts; ++k) {
            const Vec<double> v = load_wide(source + k * kLanes<double>);
            store(block.present + r * kStrip + k * kLanes<double>, only(v == v, splat(1.0)));
        }
    }
}

// Keeps of two blocks only the cells where both are present.
inline void pair_blocks(Block& a, Block& b) {
    if (!a.gaps && !b.gaps) return;
    const auto fill = [](Block& block) {
        if (!block.gaps) std::fill_n(block.present, block.rows * kStrip, 1.0);
        block.gaps = true;
    };
    fill(a);
    fill(b);
    for (Index i = 0; i < a.rows * kStrip; i += kLanes<double>) {
        const Vec<double> both = load(a.present + i) * load(b.present + i);
        store(a.present + i, both);
        store(b.present + i, both);
        store(a.values + i, load(a.values + i) * both);
        store(b.values + i, load(b.values + i) * both);
    }
}

// out[r] = get(r) + get(r - 1) + ... over `window` rows, for r >= window - 1; cells are indexed
// flat, get(i) gives the register at element i.
template <class Get>
inline void window_sums(Get get, double* out, Index rows, int window) {
    constexpr Index L = kLanes<double>;
    const Index end = rows * kStrip;
    int bit = 31 - __builtin_clz(window);
    if (bit == 0) {
        for (Index i = 0; i < end; i += L) store(out + i, get(i));
        return;
    }
    int length = 2 + ((window >> --bit) & 1);
    if (length == 2)
        for (Index i = kStrip; i < end; i += L) store(out + i, get(i) + get(i - kStrip));
    else
        for (Index i = 2 * kStrip; i < end; i += L)
            store(out + i, get(i) + get(i - kStrip) + get(i - 2 * kStrip));
    while (bit > 0) {
        const Index back = length * kStrip;
        const bool odd = (window >> --bit) & 1;
        // Downwards, so that the shorter sums that a row needs are still in place.
        if (odd)
            for (Index i = end - L; i >= 2 * back; i -= L)
                store(out + i, load(out + i) + load(out + i - back) + get(i - 2 * back));
        else
            for (Index i = end - L; i >= 2 * back - kStrip; i -= L)
                store(out + i, load(out + i) + load(out + i - back));
        length = 2 * length + odd;
    }
}

// Present values in a window: n, 1 / n and 1 / (n - 1).
struct Count {
    Vec<double> n;
    Vec<double> inverse;
    Vec<double> inverse_less;

    void set(Vec<double> count) {
        n = count;
        inverse = 1.0 / count;
        inverse_less = 1.0 / (count - 1.0);
    }
};

// Runs body(i, count, t, k) for every window: row t of the series, part k of the strip, element i
// of the block's arrays.
template <class Body>
inline void for_windows(const Block& block, Index first, int window, Body body) {
    constexpr Index L = kLanes<double>;
    const Index lead = window - 1;
    Count count[kParts];
    for (auto& c : count) c.set(splat(static_cast<double>(window)));
    if (!block.gaps) {
        for (Index r = lead; r < block.rows; ++r)
            for (int k = 0; k < kParts; ++k)
                body(r * kStrip + k * L, count[k], first + r - lead, k);
        return;
    }
    // Whole numbers: the running count is exact.
    for (int k = 0; k < kParts; ++k) {
        const double* present = block.present + k * L;
        Vec<double> n{};
        for (Index r = 0; r < lead; ++r) n += load(present + r * kStrip);
        for (Index r = lead; r < block.rows; ++r) {
            n += load(present + r * kStrip);
            count[k].set(n);
            body(r * kStrip + k * L, count[k], first + r - lead, k);
            n -= load(present + (r - lead) * kStrip);
        }
    }
}

}  // namespace alphamine
