// Today against the row of d days ago.
#pragma once

#include "moments.hpp"

namespace alphamine {

// Runs body(today, before) for every register; `window` is the distance in rows. `unbounded`: the
// result may overflow, and infinities become NaN.
template <bool unbounded, class T, class Body>
inline void against_earlier(const Call<T>& s, Body body) {
    const Index back = s.window * s.shape.stride;
    for (Index t = s.first; t < s.shape.rows; ++t) {
        const Index row = t * s.shape.stride;
        Mask<T> infinite{};
        for (Index c = 0; c < s.shape.columns; c += kLanes<T>) {
            const Vec<T> before = t < s.window ? splat(kNaN<T>) : load(s.input(0) + row + c - back);
            const Vec<T> value = body(load(s.input(0) + row + c), before);
            if constexpr (unbounded) infinite |= magnitude<T>(value) == kInf<T>;
            store(s.out + row + c, value);
        }
        if (unbounded && any(infinite))
            *s.infinite += clear_infinities(s.out + row, s.shape.columns);
    }
}

template <class T>
void ts_delay(const Call<T>& s) {
    against_earlier<false>(s, [](Vec<T>, Vec<T> before) { return before; });
}

template <class T>
void ts_delta(const Call<T>& s) {
    against_earlier<true>(s, [](Vec<T> today, Vec<T> before) { return today - before; });
}

template <class T>
void ts_returns(const Call<T>& s) {
    against_earlier<true>(s, [](Vec<T> today, Vec<T> before) {
        return before == T(0) ? splat(kNaN<T>) : (today - before) / before;
    });
}

}  // namespace alphamine
