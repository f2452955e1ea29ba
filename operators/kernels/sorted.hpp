// Quantiles of windows from a sorted copy that moves with them: one pass takes out the value that
// leaves and puts in the one that comes. Comparisons only: what was once in it leaves no trace.
#pragma once

#include "order.hpp"
#include "quantile.hpp"

namespace alphamine {

// Quantile of the `n` smallest of the sorted values of one lane, linear between neighbours.
template <class T>
inline double quantile_of(const T* sorted, Index step, double n, double q) {
    const double place = (n - 1.0) * q;
    const Index below = static_cast<Index>(place);
    const double share = place - static_cast<double>(below);
    const double low = sorted[below * step];
    if (share == 0.0) return low;
    const double high = sorted[(below + 1) * step];
    return std::min(high, std::max(low, low + (high * share - low * share)));
}

template <class T>
inline void window_quantile(const Call<T>& s, double q) {
    constexpr Index L = kLanes<T>;
    constexpr int kTogether = kLaneBlock / L;
    constexpr Index W = kLaneBlock;  // columns that are sorted together
    const Index w = s.window, stride = s.shape.stride;
    T* sorted = s.arena->template take<T>((w + 1) * W);
    const bool enough = w >= s.min_periods;
    const double place = static_cast<double>(w - 1) * q;
    const Index below = static_cast<Index>(place);
    const double share = place - static_cast<double>(below);
    // A register of whole windows: the same two places everywhere.
    const auto whole = [&](const T* at, T* out) {
        for (Index l = 0; l < L; l += kLanes<double>) {
            const Vec<double> low = load_wide(at + below * W + l);
            Vec<double> value = low;
            if (share != 0.0) {
                const Vec<double> high = load_wide(at + (below + 1) * W + l);
                value = lower(high, higher(low, low + (high * share - low * share)));
            }
            store_narrow(out + l, enough ? value : splat(kNaN<double>));
        }
    };
    for (Index c = 0; c < s.shape.columns; c += W) {
        std::fill_n(sorted, (w + 1) * W, kInf<T>);  // missing: behind all values
        Vec<T> n[kTogether] = {};
        for (Index t = 0; t < s.shape.rows; ++t) {
            const T* x = s.input(0) + t * stride + c;
            Vec<T> comes[kTogether], leaves[kTogether];
            Mask<T> gone[kTogether] = {};
            for (int k = 0; k < kTogether; ++k) {
                // Adding 0 makes -0 and 0 the same value.
                const Vec<T> in = load(x + k * L) + T(0);
                comes[k] = in == in ? in : splat(kInf<T>);
                n[k] += only(in == in, splat(T(1)));
                leaves[k] = splat(kInf<T>);
                if (t < w) continue;
                const Vec<T> out = load(x + k * L - w * stride) + T(0);
                leaves[k] = out == out ? out : splat(kInf<T>);
                n[k] -= only(out == out, splat(T(1)));
            }
            for (Index j = 0; j < w; ++j) {
                T* at = sorted + j * W;
                for (int k = 0; k < kTogether; ++k) {
                    const Vec<T> value = load(at + k * L);
                    gone[k] |= value == leaves[k];
                    const Vec<T> stays = gone[k] ? load(at + W + k * L) : value;
                    store(at + k * L, lower(stays, comes[k]));
                    comes[k] = higher(stays, comes[k]);
                }
            }
            T* out = s.out + t * stride + c;
            for (int k = 0; k < kTogether; ++k) {
                if (!any(n[k] != T(w))) {
                    whole(sorted + k * L, out + k * L);
                    continue;
                }
                for (Index l = 0; l < L; ++l)
                    out[k * L + l] = n[k][l] >= s.min_periods
                                         ? T(quantile_of(sorted + k * L + l, W, n[k][l], q))
                                         : kNaN<T>;
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
    place_of_today(s, [&](Vec<T> twice, Vec<T> n) {
        Vec<T> out;
        for (int l = 0; l < kLanes<T>; ++l)
            out[l] = n[l] == s.window ? whole[std::max(0, static_cast<int>(twice[l]))]
                                      : value(twice[l], n[l]);
        return out;
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
