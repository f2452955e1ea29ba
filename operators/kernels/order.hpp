// Extremes, places and ranks of windows: comparisons only, so every result is exact.
#pragma once

#include "moments.hpp"

namespace alphamine {

// A strip of kLaneBlock columns and a block of rows, with `fill` where a value is missing.
template <class T>
struct Cells {
    static constexpr int kWidth = kLaneBlock;
    static constexpr int kRegisters = kWidth / kLanes<T>;

    T* values;
    T* present;  // 1 or 0; valid only if `gaps`
    Index rows;
    bool gaps;

    Cells(int window, Arena& arena)
        : values(arena.take<T>((block_rows(window) + window) * kWidth)),
          present(arena.take<T>((block_rows(window) + window) * kWidth)), rows(0), gaps(false) {}

    void load_from(const T* x, Index stride, Index first, Index wanted, int window, T fill) {
        const Index lead = window - 1, missing = std::max<Index>(0, lead - first);
        rows = wanted + lead;
        std::fill_n(values, missing * kWidth, fill);
        Mask<T> gap{};
        for (Index r = missing; r < rows; ++r)
            for (int k = 0; k < kRegisters; ++k) {
                const Vec<T> v = load(x + (first - lead + r) * stride + k * kLanes<T>);
                gap |= v != v;
                store(values + r * kWidth + k * kLanes<T>, v == v ? v : splat(fill));
            }
        gaps = missing > 0 || any(gap);
        if (!gaps) return;
        std::fill_n(present, missing * kWidth, T(0));
        for (Index r = missing; r < rows; ++r)
            for (int k = 0; k < kRegisters; ++k) {
                const Vec<T> v = load(x + (first - lead + r) * stride + k * kLanes<T>);
                store(present + r * kWidth + k * kLanes<T>, only(v == v, splat(T(1))));
            }
    }
};

// Runs body(i, n, at) for every window of a block: element in the block, present values, element of
// the series. Rows run fast, so that the output is written in order.
template <class T, class Body>
inline void for_cells(const Cells<T>& cells, const Call<T>& s, Index first, Index c, Body body) {
    constexpr int W = Cells<T>::kWidth, R = Cells<T>::kRegisters;
    const Index lead = s.window - 1;
    Vec<T> n[R];
    for (auto& v : n) v = splat(T(cells.gaps ? 0 : s.window));
    if (cells.gaps)
        for (Index r = 0; r < lead; ++r)
            for (int k = 0; k < R; ++k) n[k] += load(cells.present + r * W + k * kLanes<T>);
    for (Index r = lead; r < cells.rows; ++r)
        for (int k = 0; k < R; ++k) {
            const Index i = r * W + k * kLanes<T>;
            if (cells.gaps) n[k] += load(cells.present + i);
            body(i, n[k], (first + r - lead) * s.shape.stride + c + k * kLanes<T>);
            if (cells.gaps) n[k] -= load(cells.present + i - lead * W);
        }
}

template <class T, class Body>
inline void for_cell_blocks(const Call<T>& s, T fill, Body body) {
    Cells<T> cells(s.window, *s.arena);
    for_blocks(s.shape, s.window, Cells<T>::kWidth, [&](Index first, Index rows, Index c) {
        cells.load_from(s.input(0) + c, s.shape.stride, first, rows, s.window, fill);
        body(cells, first, c);
    });
}

template <class T>
inline Vec<T> if_enough(Vec<T> n, int need, Vec<T> value) {
    return n >= static_cast<T>(need) ? value : splat(kNaN<T>);
}

// Runs step(i, back) downwards over a block so that each window of `window` rows is covered by
// windows of powers of two, the last two of which overlap.
template <class T, class Step>
inline void doubling(Index rows, int window, Step step) {
    constexpr Index W = Cells<T>::kWidth, L = kLanes<T>;
    Index length = 1;
    const auto pass = [&](Index back) {
        length += back;
        for (Index i = rows * W - L; i >= (length - 1) * W; i -= L) step(i, back * W);
    };
    while (2 * length <= window) pass(length);
    if (length < window) pass(window - length);
}

template <class T, class Pick>
inline void extreme(T* values, Index rows, int window, Pick pick) {
    doubling<T>(rows, window, [&](Index i, Index back) {
        store(values + i, pick(load(values + i), load(values + i - back)));
    });
}

template <class T>
inline void lowest(T* values, Index rows, int window) {
    extreme(values, rows, window, [](Vec<T> a, Vec<T> b) { return lower(a, b); });
}

template <class T>
inline void highest(T* values, Index rows, int window) {
    extreme(values, rows, window, [](Vec<T> a, Vec<T> b) { return higher(a, b); });
}

template <class T>
void ts_min(const Call<T>& s) {
    for_cell_blocks(s, kInf<T>, [&](Cells<T>& cells, Index first, Index c) {
        lowest(cells.values, cells.rows, s.window);
        for_cells(cells, s, first, c, [&](Index i, Vec<T> n, Index at) {
            store(s.out + at, if_enough<T>(n, s.min_periods, load(cells.values + i)));
        });
    });
}

template <class T>
void ts_max(const Call<T>& s) {
    for_cell_blocks(s, -kInf<T>, [&](Cells<T>& cells, Index first, Index c) {
        highest(cells.values, cells.rows, s.window);
        for_cells(cells, s, first, c, [&](Index i, Vec<T> n, Index at) {
            store(s.out + at, if_enough<T>(n, s.min_periods, load(cells.values + i)));
        });
    });
}

// Position of today between the window's extremes, plus a constant.
template <class T>
void ts_scale(const Call<T>& s) {
    T* low = s.arena->template take<T>((block_rows(s.window) + s.window) * kLaneBlock);
    const T constant = T(s.params[0]);
    for_cell_blocks(s, -kInf<T>, [&](Cells<T>& cells, Index first, Index c) {
        for (Index i = 0; i < cells.rows * kLaneBlock; i += kLanes<T>) {
            const Vec<T> v = load(cells.values + i);
            store(low + i, v == -kInf<T> ? splat(kInf<T>) : v);
        }
        highest(cells.values, cells.rows, s.window);
        lowest(low, cells.rows, s.window);
        for_cells(cells, s, first, c, [&](Index i, Vec<T> n, Index at) {
            const Vec<T> a = load(low + i), b = load(cells.values + i), x = load(s.input(0) + at);
            // Halves keep the difference of the extremes inside the range of the type.
            const Mask<T> wide = b - a == kInf<T>;
            const Vec<T> span = wide ? b * T(0.5) - a * T(0.5) : b - a;
            const Vec<T> above = wide ? x * T(0.5) - a * T(0.5) : x - a;
            const Vec<T> place = b > a ? above / span + constant : splat(kNaN<T>);
            store(s.out + at, if_enough<T>(n, s.min_periods, place));
        });
    });
}

// Days since the window's extreme, the oldest of equal ones. `sign` is 1 for the maximum, -1 for
// the minimum.
template <class T>
inline void days_since(const Call<T>& s, T sign) {
    T* row = s.arena->template take<T>((block_rows(s.window) + s.window) * kLaneBlock);
    for_cell_blocks(s, -sign * kInf<T>, [&](Cells<T>& cells, Index first, Index c) {
        T* best = cells.values;
        for (Index i = 0; i < cells.rows * kLaneBlock; i += kLanes<T>) {
            store(row + i, splat(T(i / kLaneBlock)));
            store(best + i, sign * load(best + i));
        }
        doubling<T>(cells.rows, s.window, [&](Index i, Index back) {
            const Vec<T> newer = load(best + i), older = load(best + i - back);
            store(row + i, older >= newer ? load(row + i - back) : load(row + i));
            store(best + i, higher(newer, older));
        });
        for_cells(cells, s, first, c, [&](Index i, Vec<T> n, Index at) {
            const Vec<T> days = T(i / kLaneBlock) - load(row + i);
            store(s.out + at, if_enough<T>(n, s.min_periods, days));
        });
    });
}

template <class T>
void ts_arg_max(const Call<T>& s) {
    days_since(s, T(1));
}

template <class T>
void ts_arg_min(const Call<T>& s) {
    days_since(s, T(-1));
}

// Place of today in the window by comparing it with every row: emit(twice, n) is called with
// 2 * below + tied - 1 and the number of present values; the result stands where today is present.
template <class T, class Emit>
inline void place_of_today(const Call<T>& s, Emit emit) {
    constexpr Index L = kLanes<T>;
    constexpr int kTogether = kLaneBlock / L;  // registers, so that none waits for another
    const int need = std::max(s.min_periods, 2);
    const Index stride = s.shape.stride;
    for (Index c = 0; c < s.shape.columns; c += kLaneBlock) {
        Vec<T> n[kTogether] = {};
        for (Index t = 0; t < s.shape.rows; ++t) {
            const T* x = s.input(0) + t * stride + c;
            const Index back = std::min<Index>(t, s.window - 1);
            Vec<T> today[kTogether];
            // Each comparison that is true adds -1.
            Mask<T> negative[kTogether] = {};
            for (int k = 0; k < kTogether; ++k) {
                today[k] = load(x + k * L);
                n[k] += only(today[k] == today[k], splat(T(1)));
                if (t < s.window) continue;
                const Vec<T> gone = load(x + k * L - s.window * stride);
                n[k] -= only(gone == gone, splat(T(1)));
            }
            for (const T* row = x - back * stride; row <= x; row += stride)
                for (int k = 0; k < kTogether; ++k) {
                    const Vec<T> v = load(row + k * L);
                    negative[k] += (v < today[k]) + (v <= today[k]);
                }
            for (int k = 0; k < kTogether; ++k) {
                const Vec<T> twice = __builtin_convertvector(-negative[k] - 1, Vec<T>);
                const Mask<T> ok = (today[k] == today[k]) & (n[k] >= static_cast<T>(need));
                store(s.out + t * stride + c + k * L,
                      ok ? emit(twice, n[k]) : splat(kNaN<T>));
            }
        }
    }
}

template <class T>
void ts_rank(const Call<T>& s) {
    place_of_today(s, [](Vec<T> twice, Vec<T> n) { return twice * T(0.5) / (n - T(1)); });
}

}  // namespace alphamine
