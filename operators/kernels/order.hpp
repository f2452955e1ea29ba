// Extremes, places and ranks of windows: comparisons only, so every result is exact.
#pragma once

#include "moments.hpp"

namespace alphamine {

template <class T>
inline Vec<T> if_enough(Mask<T> n, int need, Vec<T> value) {
    return n >= need ? value : splat(kNaN<T>);
}

// What windows are searched for: an item stands for a run of rows, `join` makes one of two runs that
// follow each other. Rows without a value are like no rows.
template <class T>
struct Lowest {
    Vec<T> value = splat(kInf<T>);

    static Lowest of(Vec<T> v, Mask<T> here, Index) { return {here ? v : splat(kInf<T>)}; }
    static Lowest join(Lowest a, Lowest b) { return {lower(a.value, b.value)}; }
};

template <class T>
struct Highest {
    Vec<T> value = splat(-kInf<T>);

    static Highest of(Vec<T> v, Mask<T> here, Index) { return {here ? v : splat(-kInf<T>)}; }
    static Highest join(Highest a, Highest b) { return {higher(a.value, b.value)}; }
};

template <class T>
struct Range {
    Lowest<T> low;
    Highest<T> high;

    static Range of(Vec<T> v, Mask<T> here, Index t) {
        return {Lowest<T>::of(v, here, t), Highest<T>::of(v, here, t)};
    }
    static Range join(Range a, Range b) {
        return {Lowest<T>::join(a.low, b.low), Highest<T>::join(a.high, b.high)};
    }
};

// The row of the highest value times Sign, the oldest of equal ones.
template <class T, int Sign>
struct FirstHighest {
    Vec<T> value = splat(-kInf<T>);
    Vec<T> row{};

    static FirstHighest of(Vec<T> v, Mask<T> here, Index t) {
        return {here ? v * T(Sign) : splat(-kInf<T>), splat(T(t))};
    }
    static FirstHighest join(FirstHighest older, FirstHighest newer) {
        const Mask<T> stays = older.value >= newer.value;
        return {higher(older.value, newer.value), stays ? older.row : newer.row};
    }
};

// Runs emit(item, today, t) for every register of windows from row `first` on and stores what it gives
// where there are enough values, window by window: what is quicker for a few days.
template <class Item, class T, class Emit>
inline void search(const Call<T>& s, Emit emit) {
    const Index stride = s.shape.stride;
    for (Index t = s.first; t < s.shape.rows; ++t)
        for (Index c = 0; c < s.shape.columns; c += kLanes<T>) {
            Item item;
            Mask<T> n{};
            Vec<T> today{};
            for (Index row = std::max<Index>(0, t - s.window + 1); row <= t; ++row) {
                const T* x = s.input(0) + row * stride + c;
                today = load(x);
                __builtin_prefetch(x + kLaneBlock);
                const Mask<T> here = today == today;
                n -= here;
                item = Item::join(item, Item::of(today, here, row));
            }
            store(s.out + t * stride + c, if_enough<T>(n, s.min_periods, emit(item, today, t)));
        }
}

// The same for many days: van Herk, "A fast algorithm for local minimum and maximum filters" (1992), and Gil
// and Werman (1993). A window is the end of one block of `window` rows and the beginning of the next.
template <class Item, class T, class Emit>
inline void slide(const Call<T>& s, Emit emit) {
    if (s.first > 0) return search<Item>(s, emit);
    constexpr Index L = kLanes<T>;
    constexpr int kTogether = kLaneBlock / L;
    const Index w = s.window, stride = s.shape.stride;
    Item* ends = s.arena->template take<Item>((w + 1) * kTogether);  // of the block before
    for (Index c = 0; c < s.shape.columns; c += kLaneBlock) {
        const T* x = s.input(0) + c;
        std::fill_n(ends, (w + 1) * kTogether, Item{});
        Mask<T> n[kTogether] = {};
        for (Index first = 0; first < s.shape.rows; first += w) {
            const Index size = std::min(w, s.shape.rows - first);
            Item beginning[kTogether];
            for (Index i = 0; i < size; ++i) {
                const Index t = first + i;
#pragma GCC unroll 4
                for (int k = 0; k < kTogether; ++k) {
                    const Vec<T> today = load(x + t * stride + k * L);
                    const Mask<T> here = today == today;
                    n[k] -= here;
                    if (first > 0) {
                        const Vec<T> gone = load(x + (t - w) * stride + k * L);
                        n[k] += gone == gone;
                    }
                    beginning[k] = Item::join(beginning[k], Item::of(today, here, t));
                    const Item item = Item::join(ends[(i + 1) * kTogether + k], beginning[k]);
                    store(s.out + t * stride + c + k * L,
                          if_enough<T>(n[k], s.min_periods, emit(item, today, t)));
                }
            }
            Item end[kTogether];
            for (Index i = size - 1; i >= 0; --i) {
#pragma GCC unroll 4
                for (int k = 0; k < kTogether; ++k) {
                    const Vec<T> v = load(x + (first + i) * stride + k * L);
                    end[k] = Item::join(Item::of(v, v == v, first + i), end[k]);
                    ends[i * kTogether + k] = end[k];
                }
            }
        }
    }
}

template <class T>
void ts_min(const Call<T>& s) {
    slide<Lowest<T>>(s, [](const Lowest<T>& lowest, Vec<T>, Index) { return lowest.value; });
}

template <class T>
void ts_max(const Call<T>& s) {
    slide<Highest<T>>(s, [](const Highest<T>& highest, Vec<T>, Index) { return highest.value; });
}

// Days since the window's extreme, the oldest of equal ones.
template <class T>
void ts_arg_max(const Call<T>& s) {
    slide<FirstHighest<T, 1>>(s, [](const auto& first, Vec<T>, Index t) { return T(t) - first.row; });
}

template <class T>
void ts_arg_min(const Call<T>& s) {
    slide<FirstHighest<T, -1>>(s, [](const auto& first, Vec<T>, Index t) { return T(t) - first.row; });
}

// Position of today between the window's extremes, plus a constant.
template <class T>
void ts_scale(const Call<T>& s) {
    const T constant = T(s.params[0]);
    slide<Range<T>>(s, [constant](const Range<T>& range, Vec<T> x, Index) {
        const Vec<T> a = range.low.value, b = range.high.value;
        // Halves keep the difference of the extremes inside the range of the type.
        const Mask<T> wide = b - a == kInf<T>;
        const Vec<T> span = wide ? b * T(0.5) - a * T(0.5) : b - a;
        const Vec<T> above = wide ? x * T(0.5) - a * T(0.5) : x - a;
        return b > a ? above / span + constant : splat(kNaN<T>);
    });
}

// Values as whole numbers in the same order (0 and -0 are equal), the largest one where missing.
template <class T>
inline Mask<T> order_of(Vec<T> v) {
    constexpr auto largest = std::numeric_limits<std::decay_t<decltype(Mask<T>{}[0])>>::max();
    const Mask<T> bits = reinterpret_cast<Mask<T>>(v + T(0));
    const Mask<T> ordered = bits ^ ((bits >> (8 * sizeof(T) - 1)) & largest);
    return v == v ? ordered : Mask<T>{} + largest;
}

// For `Rows` rows from `keys` on, how many rows of the window of each are below it less how many
// are above; each row is read once for all of them. `window` is at least Rows.
template <class T, int Rows>
inline void count_sides(const Mask<T>* keys, Mask<T>* sides, int window) {
    constexpr Index R = kLaneBlock / kLanes<T>;  // registers of a row
    Mask<T> today[Rows], side[Rows] = {};
    for (int j = 0; j < Rows; ++j) today[j] = keys[j * R];
    const auto meet = [&](Index row, int from, int to) __attribute__((always_inline)) {
        const Mask<T> v = keys[row * R];
#pragma GCC unroll 8
        for (int j = from; j < to; ++j) side[j] += (v > today[j]) - (v < today[j]);
    };
#pragma GCC unroll 8
    for (int j = 0; j + 1 < Rows; ++j) meet(1 - window + j, 0, j + 1);
    for (Index row = Rows - window; row <= 0; ++row) meet(row, 0, Rows);
#pragma GCC unroll 8
    for (int j = 1; j < Rows; ++j) meet(j, j, Rows);
    for (int j = 0; j < Rows; ++j) sides[j * R] = side[j];
}

// Place of today in the window by comparing it with every row: emit(twice, n) is called with
// 2 * below + tied - 1 and the number of present values; the result stands where today is present
// and there are at least two and enough values.
template <class T, class Emit>
inline void place_of_today(const Call<T>& s, Emit emit) {
    constexpr Index L = kLanes<T>, R = kLaneBlock / L;
    constexpr int kRows = 4;
    const int w = s.window, need = std::max(s.min_periods, 2);
    const Index stride = s.shape.stride, lead = w - 1;
    Mask<T>* keys = s.arena->template take<Mask<T>>((block_rows(w) + w) * R);
    Mask<T>* sides = s.arena->template take<Mask<T>>(block_rows(w) * R);
    for_blocks(s, kLaneBlock, [&](Index first, Index rows, Index c) {
        const T* x = s.input(0) + c;
        const auto present = [&](Index t, Index k) {
            const Vec<T> v = load(x + t * stride + k * L);
            return v == v;
        };
        const Vec<T> none = splat(kNaN<T>);
        for (Index r = 0; r < rows + lead; ++r) {
            const Index t = first - lead + r;
            for (Index k = 0; k < R; ++k)
                keys[r * R + k] = order_of<T>(t < 0 ? none : load(x + t * stride + k * L));
            __builtin_prefetch(x + t * stride + ahead(rows, stride));
        }
        for (Index k = 0; k < R; ++k) {
            Index r = 0;
            for (; w >= kRows && r + kRows <= rows; r += kRows)
                count_sides<T, kRows>(keys + (lead + r) * R + k, sides + r * R + k, w);
            for (; r < rows; ++r)
                count_sides<T, 1>(keys + (lead + r) * R + k, sides + r * R + k, w);
        }
        Mask<T> n[R] = {};
        for (Index t = std::max<Index>(0, first - lead); t < first; ++t)
            for (Index k = 0; k < R; ++k) n[k] -= present(t, k);
        for (Index t = first; t < first + rows; ++t)
            for (Index k = 0; k < R; ++k) {
                const Mask<T> today = present(t, k);
                n[k] -= today;
                // Rows without a value were counted above today.
                const Mask<T> twice = sides[(t - first) * R + k] + (w - 1);
                const Mask<T> ok = today & (n[k] >= need);
                store(s.out + t * stride + c + k * L, ok ? emit(twice, n[k], ok) : none);
                if (t >= lead) n[k] += present(t - lead, k);
            }
    });
}

template <class T>
void ts_rank(const Call<T>& s) {
    place_of_today(s, [](Mask<T> twice, Mask<T> n, Mask<T>) {
        return __builtin_convertvector(twice, Vec<T>) * T(0.5) /
               __builtin_convertvector(n - 1, Vec<T>);
    });
}

}  // namespace alphamine
