// Blocks of rows and what is present in their windows.
#pragma once

#include <algorithm>

#include "call.hpp"
#include "exact.hpp"

namespace alphamine {

// A block is kStrip columns wide, one register of floats or two of doubles. It holds the rows whose
// windows are wanted and the w - 1 before. Blocks side by side are worked on one after the other, so
// that the rows of a block are read from memory in order.
constexpr Index kStrip = kLanes<float>;
constexpr int kParts = 2;
constexpr Index kPart = kLanes<double>;
constexpr Index kAhead = 24;
template <class T>
constexpr int kRegisters = kStrip / kLanes<T>;

// Elements from a row of a block to what is prefetched meanwhile, since rows are far apart and the
// processor does not foresee them: rows further down, or where one day is wanted the same rows of
// the next block.
inline Index ahead(Index rows, Index stride) { return rows > 1 ? kAhead * stride : kStrip; }

inline Index block_rows(int window) { return std::max<Index>(192, 2 * window); }

// Runs body(first row, rows, first column) over all blocks of `width` columns.
template <class T, class Body>
inline void for_blocks(const Call<T>& s, Index width, Body body) {
    const Index step = block_rows(s.window);
    for (Index first = s.first; first < s.shape.rows; first += step)
        for (Index c = 0; c < s.shape.columns; c += width)
            body(first, std::min(step, s.shape.rows - first), c);
}

// The values of a block: 0 where missing, and who is present (1 or 0). Row r of the block is row
// first - (window - 1) - lag + r of the series; rows before the series are missing. One more row of
// missing values stands before the block: what leaves the first window.
template <class T>
struct Block {
    T* values;
    T* present;
    Index rows;  // wanted rows + window - 1
    bool gaps;
    Extent extent;
};

inline std::size_t block_cells(int window) { return (block_rows(window) + window) * kStrip; }

template <class T>
inline Block<T> take_block(int window, Arena& arena) {
    const auto take = [&] {
        T* cells = arena.take<T>(block_cells(window));
        std::fill_n(cells, kStrip, T(0));
        return cells + kStrip;
    };
    T* values = take();
    return Block<T>{values, take(), 0, false, {}};
}

// Fills the blocks of one input, or of two, of which only the cells are kept that are present in
// both. `lag`: by how many rows the second one stands back.
template <int inputs, class T>
inline void load_blocks(const Call<T>& s, Block<T>* blocks, Index first, Index rows, Index c,
                        Index lag = 0) {
    const Index count = rows + s.window - 1, start = first - (s.window - 1);
    const Index missing = std::min(count, std::max<Index>(0, (inputs > 1 ? lag : 0) - start));
    const T* source[inputs];
    T* values[inputs];
    T* present = blocks[0].present;
    std::fill_n(present, missing * kStrip, T(0));
    for (int n = 0; n < inputs; ++n) {
        values[n] = blocks[n].values;
        source[n] = s.input(n) + (start + missing - (n > 0 ? lag : 0)) * s.stride[n] + c;
        std::fill_n(values[n], missing * kStrip, T(0));
    }
    ExtentScan scans[inputs];
    Mask<T> gaps{};
    T* out = s.out + first * s.shape.stride + c;
    for (Index i = missing * kStrip; i < count * kStrip;) {
        for (int k = 0; k < kRegisters<T>; ++k, i += kLanes<T>) {
            Vec<T> x[inputs];
            Mask<T> here = ~Mask<T>{};
            for (int n = 0; n < inputs; ++n) {
                x[n] = load(source[n] + k * kLanes<T>);
                here &= x[n] == x[n];
            }
            gaps |= ~here;
            store(present + i, only(here, splat(T(1))));
            for (int n = 0; n < inputs; ++n) {
                x[n] = only(here, x[n]);
                store(values[n] + i, x[n]);
                if constexpr (sizeof(T) == sizeof(float)) scans[n].add(x[n]);
            }
        }
        for (int n = 0; n < inputs; ++n) {
            __builtin_prefetch(source[n] + ahead(rows, s.stride[n]));
            source[n] += s.stride[n];
        }
        // Rows before the first one that is wanted are not written.
        if (i >= s.window * kStrip) {
            __builtin_prefetch(out, 1);
            out += s.shape.stride;
        }
    }
    for (int n = 0; n < inputs; ++n) {
        blocks[n].rows = count;
        blocks[n].gaps = missing > 0 || any(gaps);
        if constexpr (sizeof(T) == sizeof(float)) blocks[n].extent = scans[n].extent();
    }
}

// Runs body(block, first row, first column) over all blocks of the first input.
template <class T, class Body>
inline void for_blocks_of(const Call<T>& s, Body body) {
    Block<T> block = take_block<T>(s.window, *s.arena);
    for_blocks(s, kStrip, [&](Index first, Index rows, Index c) {
        load_blocks<1>(s, &block, first, rows, c);
        body(block, first, c);
    });
}

// Runs body(x, y, first row, first column) over all blocks of two inputs, paired.
template <class T, class Body>
inline void for_blocks_of_pairs(const Call<T>& s, Index lag, Body body) {
    Block<T> blocks[] = {take_block<T>(s.window, *s.arena), take_block<T>(s.window, *s.arena)};
    blocks[1].present = blocks[0].present;
    for_blocks(s, kStrip, [&](Index first, Index rows, Index c) {
        load_blocks<2>(s, blocks, first, rows, c, lag);
        body(blocks[0], blocks[1], first, c);
    });
}

// Present values in each of a register of windows: n, 1 / n, 1 / (n - 1), 1 / (n (n - 1)).
struct Count {
    Vec<double> n, inverse, inverse_less, inverse_both;
};

inline Count count_of(Vec<double> n) {
    const Vec<double> inverse = 1.0 / n, less = 1.0 / (n - 1.0);
    return {n, inverse, less, inverse * less};
}

// Where windows have the `need` values that a value asks for. One row of a block.
template <class T>
struct Enough {
    Mask<T> mask[kRegisters<T>];
};

// Part k of a row of a block in double, and two parts as a row where there are enough values.
inline Vec<double> wide_part(const Vec<double>* row, int k) { return row[k]; }
inline Vec<double> wide_part(const Vec<float>* row, int k) {
    alignas(AM_VECTOR_BYTES) float lanes[kStrip];
    store(lanes, row[0]);
    return load_wide(lanes + k * kPart);
}

inline void store_row(double* out, const Enough<double>& enough, const Vec<double>* part) {
    for (int k = 0; k < kParts; ++k) store(out + k * kPart, or_missing(enough.mask[k], part[k]));
}
inline void store_row(float* out, const Enough<float>& enough, const Vec<double>* part) {
    store(out, or_missing(enough.mask[0], join(part[0], part[1])));
}

// Runs body(i, counts, enough, t) for every row t of the series: i is the row's first element in the
// block's arrays, counts[k] what part k has in its windows.
template <bool counted, class T, class Body>
inline void for_counted_windows(const Block<T>& block, Index first, int window, int need,
                                Body body) {
    const T* present = block.present;
    const Index lead = window - 1, rows = block.rows, back = window * kStrip;
    const Count whole = count_of(splat(static_cast<double>(window)));
    Count counts[kParts] = {whole, whole};
    // Whole numbers: the running count is exact.
    Vec<T> n[kRegisters<T>] = {};
    for (Index i = 0; i < lead * kStrip;)
        for (int k = 0; k < kRegisters<T>; ++k, i += kLanes<T>) n[k] += load(present + i);
    for (Index r = lead; r < rows; ++r) {
        const Index i = r * kStrip;
        Enough<T> enough;
        for (int k = 0; k < kRegisters<T>; ++k) {
            const Index at = i + k * kLanes<T>;
            n[k] += load(present + at) - load(present + at - back);
            enough.mask[k] = n[k] >= static_cast<T>(need);
        }
        if constexpr (counted)
            for (int k = 0; k < kParts; ++k) counts[k] = count_of(wide_part(n, k));
        body(i, counts, enough, first + r - lead);
    }
}

// Where only whole windows have a value, their count is known.
template <class T, class Body>
inline void for_windows(const Block<T>& block, Index first, int window, int need, Body body) {
    if (block.gaps && need < window)
        for_counted_windows<true>(block, first, window, need, body);
    else
        for_counted_windows<false>(block, first, window, need, body);
}

// out[i] = how many values the windows of a block have (whole numbers: the running count is exact).
inline void count_windows(const Block<float>& block, int window, float* out) {
    const Index lead = (window - 1) * kStrip, back = window * kStrip;
    Vec<float> n{};
    for (Index i = 0; i < lead; i += kStrip) n += load(block.present + i);
    for (Index i = lead; i < block.rows * kStrip; i += kStrip) {
        n += load(block.present + i) - load(block.present + i - back);
        store(out + i, n);
    }
}

// Writes value(i, count, at) of every window that has `need` values: i is its element in the
// block's arrays, `at` its element in the series.
template <class T, class Value>
inline void write_windows(const Call<T>& s, const Block<T>& block, Index first, Index c, int need,
                          Value value) {
    for_windows(block, first, s.window, need,
                [&](Index i, const Count* counts, const Enough<T>& enough, Index t) {
                    const Index at = t * s.shape.stride + c;
                    Vec<double> part[kParts];
                    for (Index k = 0; k < kParts; ++k)
                        part[k] = value(i + k * kPart, counts[k], at + k * kPart);
                    store_row(s.out + at, enough, part);
                });
}

}  // namespace alphamine
