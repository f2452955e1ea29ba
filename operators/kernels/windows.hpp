// Windows of rows by doubling: the sum of w rows from two sums of w/2 rows, and so on down to sums
// of at most seven rows, which are made in registers.
//
// Each sum is made of the window's own rows in an order that depends on w alone, so a value has the
// same bits wherever the series starts and whatever came before: running sums cannot offer that.
#pragma once

#include <algorithm>
#include <type_traits>

#include "kernel.hpp"

namespace alphamine {

// A block is kStrip columns wide, one register of floats or two of doubles. It holds the rows whose
// windows are wanted and the w - 1 before. Blocks side by side are worked on one after the other, so
// that the rows of a block are read from memory in order.
constexpr Index kStrip = kLanes<float>;
constexpr int kParts = 2;
constexpr Index kPart = kLanes<double>;

inline Index block_rows(int window) { return std::max<Index>(128, 2 * window); }

// Runs body(first row, rows, first column) over all blocks of `width` columns.
template <class Body>
inline void for_blocks(Shape shape, int window, Index width, Body body) {
    const Index step = block_rows(window);
    for (Index first = 0; first < shape.rows; first += step)
        for (Index c = 0; c < shape.columns; c += width)
            body(first, std::min(step, shape.rows - first), c);
}

// The values of a block as doubles: 0 where missing, and who is present. Row r of the block is row
// first - (window - 1) - lag + r of the series; rows before the series are missing.
struct Block {
    double* values;
    double* present;  // 1 or 0; valid only if `gaps`
    Index rows;       // wanted rows + window - 1
    bool gaps;
};

inline std::size_t block_cells(int window) { return (block_rows(window) + window) * kStrip; }

inline Block take_block(int window, Arena& arena) {
    double* values = arena.take<double>(block_cells(window));
    return Block{values, arena.take<double>(block_cells(window)), 0, false};
}

// The same with NaN where a value is missing: for sums whose windows have to be whole, NaN is all it
// takes to mark those that are not.
template <class T>
inline void load_whole(Block& block, const T* x, Index stride, Index first, Index rows, int window) {
    const Index lead = window - 1, missing = std::max<Index>(0, lead - first);
    block.rows = rows + lead;
    block.gaps = false;
    std::fill_n(block.values, missing * kStrip, kNaN<double>);
    for (Index r = missing; r < block.rows; ++r)
        for (int k = 0; k < kParts; ++k)
            store(block.values + r * kStrip + k * kPart,
                  load_wide(x + (first - lead + r) * stride + k * kPart));
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
            const Vec<double> v = load_wide(source + k * kPart);
            const Mask<double> here = v == v;
            gaps |= ~here;
            store(block.values + r * kStrip + k * kPart, only(here, v));
        }
    }
    block.gaps = missing > 0 || any(gaps);
    if (!block.gaps) return;
    std::fill_n(block.present, missing * kStrip, 0.0);
    for (Index r = missing; r < block.rows; ++r) {
        const T* source = x + (first - lead + r) * stride;
        for (int k = 0; k < kParts; ++k) {
            const Vec<double> v = load_wide(source + k * kPart);
            store(block.present + r * kStrip + k * kPart, only(v == v, splat(1.0)));
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
    for (Index i = 0; i < a.rows * kStrip; i += kPart) {
        const Vec<double> both = load(a.present + i) * load(b.present + i);
        store(a.present + i, both);
        store(b.present + i, both);
        store(a.values + i, load(a.values + i) * both);
        store(b.values + i, load(b.values + i) * both);
    }
}

// Calls run(std::integral_constant<int, M>) for the leading bits of a window's length, at most
// three: 1 <= M <= 7; gives the number of bits that are left.
template <class Run>
inline int with_head(int window, Run run) {
    const int bits = 32 - __builtin_clz(window), rest = std::max(0, bits - 3);
    switch (window >> rest) {
        case 1: run(std::integral_constant<int, 1>{}); break;
        case 2: run(std::integral_constant<int, 2>{}); break;
        case 3: run(std::integral_constant<int, 3>{}); break;
        case 4: run(std::integral_constant<int, 4>{}); break;
        case 5: run(std::integral_constant<int, 5>{}); break;
        case 6: run(std::integral_constant<int, 6>{}); break;
        default: run(std::integral_constant<int, 7>{}); break;
    }
    return rest;
}

// Runs body(i, recent) for every register of a block, where recent[j] is what get gives for the row
// j rows before (0 before the block), for j < M.
template <int M, class Get, class Body>
inline void for_recent(Get get, Index rows, Body body) {
    for (int k = 0; k < kParts; ++k) {
        Vec<double> recent[M] = {};
        for (Index i = k * kPart; i < rows * kStrip; i += kStrip) {
            for (int j = M - 1; j > 0; --j) recent[j] = recent[j - 1];
            recent[0] = get(i);
            body(i, recent);
        }
    }
}

// Runs step(i, back, odd) downwards for every register whose row has a window of the next length:
// twice the last one, which starts `back` elements before, and one more row if `odd`.
template <class Step>
inline void double_once(int& length, Index rows, bool odd, Step step) {
    const Index back = length * kStrip;
    length = 2 * length + odd;
    for (Index i = rows * kStrip - kPart; i >= (length - 1) * kStrip; i -= kPart) step(i, back);
}

// out[r] = get(r) + get(r - 1) + ... over `window` rows, for r >= window - 1; cells are indexed
// flat, get(i) gives the register at element i. (Lambdas of hot loops capture by value: what they
// point at could otherwise be overwritten by any store, and would be read again each time.)
template <class Get>
inline void window_sums(Get get, double* out, Index rows, int window) {
    int rest = with_head(window, [&](auto head) {
        for_recent<head()>(get, rows, [=](Index i, const Vec<double>* recent) {
            Vec<double> sum = recent[0];
            for (int j = 1; j < head(); ++j) sum += recent[j];
            store(out + i, sum);
        });
    });
    int length = window >> rest;
    while (rest > 0) {
        // Downwards, so that the shorter sums that a row needs are still in place.
        if ((window >> --rest) & 1)
            double_once(length, rows, true, [=](Index i, Index back) {
                store(out + i, load(out + i) + load(out + i - back) + get(i - 2 * back));
            });
        else
            double_once(length, rows, false, [=](Index i, Index back) {
                store(out + i, load(out + i) + load(out + i - back));
            });
    }
}

// Present values in each of a register of windows: n, 1 / n, 1 / (n - 1), and whether they are
// enough for a value.
struct Count {
    Vec<double> n, inverse, inverse_less;
    Mask<double> enough;

    Vec<double> keep(Vec<double> value) const { return or_missing(enough, value); }
};

inline Count count_of(Vec<double> n, int need) {
    return {n, 1.0 / n, 1.0 / (n - 1.0), n >= static_cast<double>(need)};
}

// Runs body(i, counts, t) for every row t of the series: i is the row's first element in the
// block's arrays, counts[k] what part k has in its windows, of which a value needs `need`.
template <class Body>
inline void for_windows(const Block& block, Index first, int window, int need, Body body) {
    const Index lead = window - 1;
    const Count whole = count_of(splat(static_cast<double>(window)), need);
    Count counts[kParts] = {whole, whole};
    if (!block.gaps) {
        for (Index r = lead; r < block.rows; ++r) body(r * kStrip, counts, first + r - lead);
        return;
    }
    // Whole numbers: the running count is exact.
    Vec<double> n[kParts] = {};
    const auto present = [&](Index r, int k) {
        return load(block.present + r * kStrip + k * kPart);
    };
    for (Index r = 0; r < lead; ++r)
        for (int k = 0; k < kParts; ++k) n[k] += present(r, k);
    for (Index r = lead; r < block.rows; ++r) {
        for (int k = 0; k < kParts; ++k) {
            n[k] += present(r, k);
            // Where only whole windows have a value, n and its inverses are known.
            if (need < window)
                counts[k] = count_of(n[k], need);
            else
                counts[k].enough = n[k] >= static_cast<double>(need);
        }
        body(r * kStrip, counts, first + r - lead);
        for (int k = 0; k < kParts; ++k) n[k] -= present(r - lead, k);
    }
}

}  // namespace alphamine
