// Operators on single cells.
#pragma once

#include "call.hpp"
#include "vector_math.hpp"

namespace alphamine {

// out = f(inputs...) in storage precision: one rounding, the same as the reference's. `unbounded`:
// f may overflow, and infinities become NaN.
template <bool unbounded, class T, std::size_t... I, class F>
inline void map_cells(const Call<T>& call, std::index_sequence<I...>, F f) {
    for (Index t = 0; t < call.shape.rows; ++t) {
        T* out = call.out + t * call.shape.stride;
        const T* in[] = {(call.input(I) + t * call.stride[I])...};
        Mask<T> infinite{};
        for (Index c = 0; c < call.shape.columns; c += kLanes<T>) {
            const Vec<T> value = f(load(in[I] + c)...);
            if constexpr (unbounded) infinite |= magnitude<T>(value) == kInf<T>;
            store(out + c, value);
        }
        if (unbounded && any(infinite))
            *call.infinite += clear_infinities(out, call.shape.columns);
    }
}

// The same in double, for functions that are not a single rounding.
template <class T, std::size_t... I, class F>
inline void map_wide(const Call<T>& call, std::index_sequence<I...>, F f) {
    for (Index t = 0; t < call.shape.rows; ++t) {
        T* out = call.out + t * call.shape.stride;
        const T* in[] = {(call.input(I) + t * call.stride[I])...};
        for (Index c = 0; c < call.shape.columns; c += kLanes<double>)
            store_narrow(out + c, f(load_wide(in[I] + c)...));
    }
}

using One = std::index_sequence<0>;
using Two = std::index_sequence<0, 1>;
using Three = std::index_sequence<0, 1, 2>;

// The rounding functions of the C library, lane by lane (one instruction where there is one).
template <class V, class F>
inline V each_lane(V v, F f) {
    V out;
    for (std::size_t i = 0; i < sizeof(V) / sizeof(v[0]); ++i) out[i] = f(v[i]);
    return out;
}

// 1 or 0 where both sides are present.
template <class T>
inline Vec<T> truth(Mask<T> present, Mask<T> mask) {
    return present ? only(mask, splat(T(1))) : splat(kNaN<T>);
}

#define AM_MAP(name, unbounded, arity, arguments, expression)                              \
    template <class T>                                                                     \
    void name(const Call<T>& call) {                                                       \
        using V = Vec<T>;                                                                  \
        const V missing = splat(kNaN<T>);                                                  \
        (void)missing;                                                                     \
        map_cells<unbounded>(call, arity{}, [=] arguments -> V { return expression; });    \
    }
#define AM_CELLS(name, arity, arguments, expression) \
    AM_MAP(name, false, arity, arguments, expression)
#define AM_UNBOUNDED(name, arity, arguments, expression) \
    AM_MAP(name, true, arity, arguments, expression)
#define AM_WIDE(name, arity, arguments, expression)                                        \
    template <class T>                                                                     \
    void name(const Call<T>& call) {                                                       \
        map_wide(call, arity{}, [=] arguments -> Wide { return expression; });             \
    }

AM_UNBOUNDED(add, Two, (V a, V b), a + b)
AM_UNBOUNDED(subtract, Two, (V a, V b), a - b)
AM_UNBOUNDED(multiply, Two, (V a, V b), a * b)
AM_UNBOUNDED(divide, Two, (V a, V b), b == T(0) ? missing : a / b)
AM_CELLS(max_of, Two, (V a, V b), a != a ? a : (b != b ? b : higher(a, b)))
AM_CELLS(min_of, Two, (V a, V b), a != a ? a : (b != b ? b : lower(a, b)))
AM_CELLS(abs_of, One, (V a), magnitude<T>(a))
AM_CELLS(sign, One, (V a), a > T(0) ? V{} + T(1) : (a < T(0) ? V{} - T(1) : a))
AM_CELLS(sqrt_of, One, (V a), a >= T(0) ? square_root(a) : missing)
AM_UNBOUNDED(inverse, One, (V a), a == T(0) ? missing : T(1) / a)
AM_CELLS(reverse, One, (V a), -a)
AM_CELLS(log_of, One, (V a), log_of_cells(a))
AM_CELLS(softsign, One, (V a), a / (T(1) + magnitude<T>(a)))

AM_CELLS(less, Two, (V a, V b), truth<T>((a == a) & (b == b), a < b))
AM_CELLS(less_equal, Two, (V a, V b), truth<T>((a == a) & (b == b), a <= b))
AM_CELLS(greater, Two, (V a, V b), truth<T>((a == a) & (b == b), a > b))
AM_CELLS(greater_equal, Two, (V a, V b), truth<T>((a == a) & (b == b), a >= b))
AM_CELLS(equal, Two, (V a, V b), truth<T>((a == a) & (b == b), a == b))
AM_CELLS(not_equal, Two, (V a, V b), truth<T>((a == a) & (b == b), a != b))
AM_CELLS(both, Two, (V a, V b), truth<T>((a == a) & (b == b), (a != T(0)) & (b != T(0))))
AM_CELLS(either, Two, (V a, V b), truth<T>((a == a) & (b == b), (a != T(0)) | (b != T(0))))
AM_CELLS(negation, One, (V a), truth<T>(a == a, a == T(0)))
AM_CELLS(is_nan, One, (V a), only(a != a, V{} + T(1)))
AM_CELLS(if_else, Three, (V c, V a, V b), c != c ? c : (c != T(0) ? a : b))

AM_CELLS(floor_of, One, (V a), each_lane(a, [](T v) { return std::floor(v); }))
AM_CELLS(ceiling, One, (V a), each_lane(a, [](T v) { return std::ceil(v); }))
AM_CELLS(round_of, One, (V a), each_lane(a, [](T v) { return std::rint(v); }))
AM_CELLS(fraction, One, (V a), a - each_lane(a, [](T v) { return std::trunc(v); }))

AM_WIDE(log1p_of, One, (Wide a), log1p_wide(a))
AM_WIDE(exp_of, One, (Wide a), exp_wide(a))
AM_WIDE(tanh_of, One, (Wide a), tanh_wide(a))
AM_WIDE(sigmoid, One, (Wide a), sigmoid_wide(a))
AM_WIDE(s_log_1p, One, (Wide a),
        select(a < 0.0, -log1p_wide(-a), log1p_wide(a)))

#undef AM_MAP
#undef AM_CELLS
#undef AM_UNBOUNDED
#undef AM_WIDE

template <class T>
void power(const Call<T>& call) {
    const bool literal = call.stride[1] == 0;
    const T exponent = literal ? call.input(1)[0] : T(0);
    if (literal && exponent == T(1)) {
        map_cells<false>(call, One{}, [](Vec<T> a) { return a; });
    } else if (literal && exponent == T(2)) {
        map_wide(call, One{}, [](Wide a) { return a * a; });
    } else if (literal && exponent == T(3)) {
        map_wide(call, One{}, [](Wide a) { return a * a * a; });
    } else if (literal && exponent == T(0.5)) {
        map_wide(call, One{}, [](Wide a) {
            return select(a >= 0.0, square_root(a), splat(kNaN<double>));
        });
    } else {
        map_wide(call, Two{}, [](Wide a, Wide b) {
            return select((a == a) & (b == b), power_wide(a, b), splat(kNaN<double>));
        });
    }
}

template <class T>
void signed_power(const Call<T>& call) {
    const bool literal = call.stride[1] == 0;
    const T exponent = literal ? call.input(1)[0] : T(0);
    if (literal && exponent == T(2)) {
        map_wide(call, One{}, [](Wide a) { return a * magnitude<double>(a); });
    } else {
        map_wide(call, Two{}, [](Wide a, Wide b) {
            const Wide size = magnitude_power(a, b);
            const Wide value = select(a > 0.0, size, select(a < 0.0, -size, 0.0 * size));
            return select((a == a) & (b == b), value, splat(kNaN<double>));
        });
    }
}

template <class T>
void clamp(const Call<T>& call) {
    const T low = T(call.params[0]), high = T(call.params[1]);
    map_cells<false>(call, One{}, [=](Vec<T> a) -> Vec<T> {
        const Vec<T> limited = a < low ? splat(low) : a;
        return limited > high ? splat(high) : limited;
    });
}

template <class T>
void tail(const Call<T>& call) {
    const double low = call.params[0], high = call.params[1], value = call.params[2];
    map_wide(call, One{}, [=](Wide a) { return select((a >= low) & (a <= high), value, a); });
}

template <class T>
void left_tail(const Call<T>& call) {
    const double limit = call.params[0];
    map_wide(call, One{}, [=](Wide a) { return select(a <= limit, a, splat(kNaN<double>)); });
}

template <class T>
void right_tail(const Call<T>& call) {
    const double limit = call.params[0];
    map_wide(call, One{}, [=](Wide a) { return select(a >= limit, a, splat(kNaN<double>)); });
}

template <class T>
void purify(const Call<T>& call) {
    map_cells<false>(call, One{}, [](Vec<T> a) { return a; });
}

template <class T>
void to_nan(const Call<T>& call) {
    const double value = call.params[0];
    if (call.params[1] != 0.0)
        map_wide(call, One{}, [=](Wide a) { return select(a != a, value, a); });
    else
        map_wide(call, One{}, [=](Wide a) { return select(a == value, kNaN<double>, a); });
}

// A constant as a whole array, for kernels that take no literals.
template <class T>
void fill(const Call<T>& call) {
    map_cells<false>(call, One{}, [](Vec<T> a) { return a; });
}

}  // namespace alphamine
