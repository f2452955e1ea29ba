// Quantiles of windows from a sorted copy that moves with them: one pass takes out the value that
// leaves and puts in the one that comes. Comparisons only: what was once in it leaves no trace.
#pragma once

#include "order.hpp"
#include "quantile.hpp"

namespace alphamine {

// Takes one value out of each lane of `size` sorted rows and puts in another; infinity stands for
// none, behind all values. What is left is `row` up to the value that leaves and the next one from
// there on; of that, what is above the new value moves up. (As whole numbers, which more units can
// compare: 2.7 instead of 2.4 ns a cell for a window of 20, since both wait for the stores.)
template <class T>
inline void exchange(Vec<T>* sorted, Index size, Vec<T> leaves, Vec<T> comes) {
    Vec<T> row = sorted[0], left_before = splat(-kInf<T>);
#pragma GCC unroll 4
    for (Index j = 0; j < size; ++j) {
        const Vec<T> next = sorted[j + 1], left = row < leaves ? row : next;
        sorted[j] = lower(left, higher(left_before, comes));
        left_before = left;
        row = next;
    }
}

// Where the quantile q of n sorted values lies: `share` of the way from value `below` to the next.
struct Place {
    Place(double n, double q)
        : below(static_cast<Index>((n - 1.0) * q)),
          share((n - 1.0) * q - static_cast<double>(below)) {}

    Vec<double> between(Vec<double> low, Vec<double> high) const {
        if (share == 0.0) return low;
        return lower(high, higher(low, low + (high * share - low * share)));
    }

    Index below;
    double share;
};

template <class T>
inline void window_quantile(const Call<T>& s, double q) {
    constexpr Index L = kLanes<T>;
    const Index w = s.window, stride = s.shape.stride;
    Vec<T>* sorted = s.arena->template take<Vec<T>>(w + 1);
    // Adding 0 makes -0 and 0 the same value.
    const auto sortable = [](Vec<T> v) { return v == v ? v + T(0) : splat(kInf<T>); };
    const Place whole(static_cast<double>(w), q);
    for (Index c = 0; c < s.shape.columns; c += L) {
        std::fill_n(sorted, w + 1, splat(kInf<T>));
        Mask<T> n{};
        for (Index t = 0; t < s.shape.rows; ++t) {
            const T* x = s.input(0) + t * stride + c;
            T* out = s.out + t * stride + c;
            const Vec<T> today = load(x), gone = t < w ? splat(kNaN<T>) : load(x - w * stride);
            n += (gone == gone) - (today == today);
            exchange<T>(sorted, w, sortable(gone), sortable(today));
            if (t < s.first) continue;
            const T* low = reinterpret_cast<const T*>(sorted + whole.below);
            for (Index l = 0; l < L; l += kLanes<double>)
                store_narrow(out + l, whole.between(load_wide(low + l), load_wide(low + L + l)));
            const Mask<T> part = n < static_cast<int>(w);
            if (!any(part)) continue;
            store(out, if_enough<T>(n, s.min_periods, load(out)));
            if (!any(part & (n >= s.min_periods))) continue;
            for (Index l = 0; l < L; ++l) {
                if (n[l] == w || n[l] < s.min_periods) continue;
                const Place place(static_cast<double>(n[l]), q);
                const Vec<double> a = splat(double(sorted[place.below][l]));
                const Vec<double> b = splat(double(sorted[place.below + 1][l]));
                out[l] = T(place.between(a, b)[0]);
            }
        }
    }
}

// Rank of today mapped to a quantile of a distribution; params: which one.
template <class T>
void ts_quantile(const Call<T>& s) {
    const Driver driver = static_cast<Driver>(static_cast<int>(s.params[0]));
    const auto value = [&](double twice, double n) {
        return T(quantile_at(twice / (2.0 * (n - 1.0)), n, driver));
    };
    // Whole windows have few places; their quantiles are computed once.
    T* whole = s.arena->template take<T>(2 * s.window);
    for (int twice = 0; twice < 2 * s.window; ++twice) whole[twice] = value(twice, s.window);
    place_of_today(s, [&](Mask<T> twice, Mask<T> n, Mask<T> ok) {
        alignas(Vec<T>) T out[kLanes<T>];
        for (int l = 0; l < kLanes<T>; ++l) out[l] = whole[twice[l]];
        const Mask<T> part = ok & (n < s.window);
        if (any(part))
            for (int l = 0; l < kLanes<T>; ++l)
                if (part[l]) out[l] = value(static_cast<double>(twice[l]), static_cast<double>(n[l]));
        return load(out);
    });
}

template <class T>
void ts_median(const Call<T>& s) {
    window_quantile(s, 0.5);
}

template <class T>
void ts_percentage(const Call<T>& s) {
    window_quantile(s, s.params[0]);
}

}  // namespace alphamine
