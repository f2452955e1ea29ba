// What every kernel shares: shapes, vectors, scratch memory.
//
// Conventions
// - Arrays are time-major: row = day, column = symbol, `stride` elements from row to row. The stride
//   is a multiple of 16 and rows start on 64-byte borders; the columns from `columns` to `stride`
//   are padding that holds NaN (-1 for group codes). A kernel writes padding as NaN, too.
// - T is float or double: the storage type. Arithmetic that accumulates is double in both.
// - NaN is missing. A kernel may return infinities: the executor turns them into NaN and counts.
// - `inside` is the day's universe as an additive mask: 0 for members, NaN for all others and for
//   the padding, so that x + inside is what a cross-sectional kernel may see.
// - Output never overlaps an input. Scratch comes from `Arena`, never from the heap.
// - The value of a cell depends on the same inputs by the same operations wherever the cell lies,
//   whatever the tile, the thread or what came before: no running sums but exact ones (exact.hpp).
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <limits>

#if defined(__SSE2__)
#include <immintrin.h>
#endif

#ifndef AM_VECTOR_BYTES
#if defined(__AVX512F__)
#define AM_VECTOR_BYTES 64
#elif defined(__AVX__)
#define AM_VECTOR_BYTES 32
#else
#define AM_VECTOR_BYTES 16
#endif
#endif

namespace alphamine {

using Index = std::int64_t;

// Rows of one array or of several arrays of the same shape.
struct Shape {
    Index rows;
    Index columns;
    Index stride;
};

constexpr Index kLaneBlock = 16;  // columns are padded to a multiple of this

template <class T>
constexpr T kNaN = std::numeric_limits<T>::quiet_NaN();
template <class T>
constexpr T kInf = std::numeric_limits<T>::infinity();

// One register of T, and the integer mask that comparing two of them gives.
template <class T>
struct VectorOf;
template <>
struct VectorOf<float> {
    typedef float type __attribute__((vector_size(AM_VECTOR_BYTES), may_alias));
    typedef std::int32_t mask __attribute__((vector_size(AM_VECTOR_BYTES), may_alias));
};
template <>
struct VectorOf<double> {
    typedef double type __attribute__((vector_size(AM_VECTOR_BYTES), may_alias));
    typedef std::int64_t mask __attribute__((vector_size(AM_VECTOR_BYTES), may_alias));
};
template <class T>
using Vec = typename VectorOf<T>::type;
template <class T>
using Mask = typename VectorOf<T>::mask;
template <class T>
constexpr int kLanes = AM_VECTOR_BYTES / sizeof(T);

// Half a register of floats: as many lanes as a register of doubles.
typedef float HalfFloat __attribute__((vector_size(AM_VECTOR_BYTES / 2), may_alias));
typedef std::int32_t HalfMask __attribute__((vector_size(AM_VECTOR_BYTES / 2), may_alias));

template <class T>
inline Vec<T> splat(T value) {
    return Vec<T>{} + value;
}

template <class T>
inline Vec<T> load(const T* p) {
    return *reinterpret_cast<const Vec<T>*>(p);
}

template <class T>
inline void store(T* p, Vec<T> v) {
    *reinterpret_cast<Vec<T>*>(p) = v;
}

// Whether any lane of a comparison is true.
template <class M>
inline bool any(M mask) {
#if defined(__AVX512F__)
    const __m512i bits = (__m512i)mask;
    return _mm512_test_epi64_mask(bits, bits) != 0;
#elif defined(__AVX__)
    const __m256i bits = (__m256i)mask;
    return !_mm256_testz_si256(bits, bits);
#else
    std::int64_t found = 0;
    for (std::size_t i = 0; i < sizeof(M) / sizeof(mask[0]); ++i) found |= mask[i];
    return found != 0;
#endif
}

// A bit for each lane of a comparison of doubles.
inline int bits_of(Mask<double> mask) {
#if defined(__AVX512F__)
    return _mm512_movepi64_mask((__m512i)mask);
#elif defined(__AVX__)
    return _mm256_movemask_pd((__m256d)mask);
#else
    int bits = 0;
    for (int l = 0; l < kLanes<double>; ++l) bits |= (mask[l] != 0) << l;
    return bits;
#endif
}

// The comparison that gives these bits.
inline Mask<double> mask_of(int bits) {
    Mask<double> each;
    for (int l = 0; l < kLanes<double>; ++l) each[l] = 1 << l;
    return ((Mask<double>{} + bits) & each) != 0;
}

// The smaller and the larger of two; b where one of them is NaN. One instruction each on x86.
template <class V>
inline V lower(V a, V b) {
    return a < b ? a : b;
}
template <class V>
inline V higher(V a, V b) {
    return a > b ? a : b;
}
#if defined(__AVX512F__)
inline Vec<float> lower(Vec<float> a, Vec<float> b) { return (Vec<float>)_mm512_min_ps((__m512)a, (__m512)b); }
inline Vec<float> higher(Vec<float> a, Vec<float> b) { return (Vec<float>)_mm512_max_ps((__m512)a, (__m512)b); }
inline Vec<double> lower(Vec<double> a, Vec<double> b) { return (Vec<double>)_mm512_min_pd((__m512d)a, (__m512d)b); }
inline Vec<double> higher(Vec<double> a, Vec<double> b) { return (Vec<double>)_mm512_max_pd((__m512d)a, (__m512d)b); }
#elif defined(__AVX__)
inline Vec<float> lower(Vec<float> a, Vec<float> b) { return (Vec<float>)_mm256_min_ps((__m256)a, (__m256)b); }
inline Vec<float> higher(Vec<float> a, Vec<float> b) { return (Vec<float>)_mm256_max_ps((__m256)a, (__m256)b); }
inline Vec<double> lower(Vec<double> a, Vec<double> b) { return (Vec<double>)_mm256_min_pd((__m256d)a, (__m256d)b); }
inline Vec<double> higher(Vec<double> a, Vec<double> b) { return (Vec<double>)_mm256_max_pd((__m256d)a, (__m256d)b); }
#elif defined(__SSE2__)
inline Vec<float> lower(Vec<float> a, Vec<float> b) { return (Vec<float>)_mm_min_ps((__m128)a, (__m128)b); }
inline Vec<float> higher(Vec<float> a, Vec<float> b) { return (Vec<float>)_mm_max_ps((__m128)a, (__m128)b); }
inline Vec<double> lower(Vec<double> a, Vec<double> b) { return (Vec<double>)_mm_min_pd((__m128d)a, (__m128d)b); }
inline Vec<double> higher(Vec<double> a, Vec<double> b) { return (Vec<double>)_mm_max_pd((__m128d)a, (__m128d)b); }
#endif

// |v| and the square root.
template <class T>
inline Vec<T> magnitude(Vec<T> v) {
    return higher(v, -v);
}
template <class V>
inline V square_root(V v) {
    V out;
    for (std::size_t i = 0; i < sizeof(V) / sizeof(v[0]); ++i) out[i] = std::sqrt(v[i]);
    return out;
}
#if defined(__AVX512F__)
inline HalfFloat square_root(HalfFloat v) { return (HalfFloat)_mm256_sqrt_ps((__m256)v); }
inline Vec<float> square_root(Vec<float> v) { return (Vec<float>)_mm512_sqrt_ps((__m512)v); }
inline Vec<double> square_root(Vec<double> v) { return (Vec<double>)_mm512_sqrt_pd((__m512d)v); }
#elif defined(__AVX__)
inline Vec<float> square_root(Vec<float> v) { return (Vec<float>)_mm256_sqrt_ps((__m256)v); }
inline Vec<double> square_root(Vec<double> v) { return (Vec<double>)_mm256_sqrt_pd((__m256d)v); }
inline HalfFloat square_root(HalfFloat v) { return (HalfFloat)_mm_sqrt_ps((__m128)v); }
#elif defined(__SSE2__)
inline Vec<float> square_root(Vec<float> v) { return (Vec<float>)_mm_sqrt_ps((__m128)v); }
inline Vec<double> square_root(Vec<double> v) { return (Vec<double>)_mm_sqrt_pd((__m128d)v); }
#endif

#if defined(__AVX512F__)
#define AM_FUSED 1
inline Vec<double> fused(Vec<double> a, Vec<double> b, Vec<double> c) {
    return (Vec<double>)_mm512_fmadd_pd((__m512d)a, (__m512d)b, (__m512d)c);
}
#elif defined(__FMA__)
#define AM_FUSED 1
inline Vec<double> fused(Vec<double> a, Vec<double> b, Vec<double> c) {
    return (Vec<double>)_mm256_fmadd_pd((__m256d)a, (__m256d)b, (__m256d)c);
}
#else
#define AM_FUSED 0
#endif

// a b + c and a b - c, with one rounding where there is an instruction for it.
inline Vec<double> product_plus(Vec<double> a, Vec<double> b, Vec<double> c) {
#if AM_FUSED
    return fused(a, b, c);
#else
    return a * b + c;
#endif
}
inline Vec<double> product_less(Vec<double> a, Vec<double> b, Vec<double> c) {
#if AM_FUSED
    return fused(a, b, -c);
#else
    return a * b - c;
#endif
}

// Value where the mask is true, else 0.
template <class V, class M>
inline V only(M mask, V value) {
    return reinterpret_cast<V>(reinterpret_cast<M>(value) & mask);
}

// Value where the mask is true, else NaN (by bits: GCC 12 cannot compile every form of `?:`).
template <class T>
inline Vec<T> or_missing_of(Mask<T> mask, Vec<T> value) {
    const Mask<T> missing = reinterpret_cast<Mask<T>>(splat(kNaN<T>));
    return reinterpret_cast<Vec<T>>((reinterpret_cast<Mask<T>>(value) & mask) | (missing & ~mask));
}
inline Vec<double> or_missing(Mask<double> mask, Vec<double> value) {
    return or_missing_of<double>(mask, value);
}
inline Vec<float> or_missing(Mask<float> mask, Vec<float> value) {
    return or_missing_of<float>(mask, value);
}

// kLanes<double> values of storage type as doubles, and back (rounded to storage).
inline Vec<double> load_wide(const double* p) { return load(p); }
inline void store_narrow(double* p, Vec<double> v) { store(p, v); }
#if defined(__AVX512F__)
inline Vec<double> load_wide(const float* p) { return (Vec<double>)_mm512_cvtps_pd(_mm256_load_ps(p)); }
inline void store_narrow(float* p, Vec<double> v) { _mm256_store_ps(p, _mm512_cvtpd_ps((__m512d)v)); }
#elif defined(__AVX__)
inline Vec<double> load_wide(const float* p) { return (Vec<double>)_mm256_cvtps_pd(_mm_load_ps(p)); }
inline void store_narrow(float* p, Vec<double> v) { _mm_store_ps(p, _mm256_cvtpd_ps((__m256d)v)); }
#else
inline Vec<double> load_wide(const float* p) {
    return __builtin_convertvector(*reinterpret_cast<const HalfFloat*>(p), Vec<double>);
}
inline void store_narrow(float* p, Vec<double> v) {
    *reinterpret_cast<HalfFloat*>(p) = __builtin_convertvector(v, HalfFloat);
}
#endif

// Half a register of floats, and its widening and rounding.
inline HalfFloat load_half(const float* p) { return *reinterpret_cast<const HalfFloat*>(p); }
inline void store_half(float* p, HalfFloat v) { *reinterpret_cast<HalfFloat*>(p) = v; }
inline Vec<double> widen(HalfFloat v) { return __builtin_convertvector(v, Vec<double>); }
inline Mask<double> widen(HalfMask v) { return __builtin_convertvector(v, Mask<double>); }
inline HalfFloat narrow(Vec<double> v) { return __builtin_convertvector(v, HalfFloat); }

// Two registers of doubles as one of floats.
inline Vec<float> join(Vec<double> low, Vec<double> high) {
#if defined(__AVX512F__)
    const __m512 half = _mm512_castps256_ps512(_mm512_cvtpd_ps((__m512d)low));
    return (Vec<float>)_mm512_insertf32x8(half, _mm512_cvtpd_ps((__m512d)high), 1);
#elif defined(__AVX__)
    return (Vec<float>)_mm256_set_m128(_mm256_cvtpd_ps((__m256d)high), _mm256_cvtpd_ps((__m256d)low));
#else
    alignas(AM_VECTOR_BYTES) float both[kLanes<float>];
    store_narrow(both, low);
    store_narrow(both + kLanes<double>, high);
    return load(both);
#endif
}

// Bump allocator over one preallocated block: one for each thread, emptied before each kernel call.
// Whether memory that nothing has written holds the byte kPoison, so that a value read of it is
// seen (as in alphamine/engine/storage.py).
constexpr int kPoison = 0x5A;
inline bool poisoned() {
    const char* switched = std::getenv("ALPHAMINE_POISON");
    return switched != nullptr && std::strcmp(switched, "1") == 0;
}

class Arena {
public:
    Arena(void* base, std::size_t bytes)
        : base_(static_cast<char*>(base)), used_(0), bytes_(bytes), poisoned_(poisoned()) {}

    // `count` elements on a 64-byte border, not initialised; nullptr if the block is too small.
    template <class U>
    U* take(std::size_t count) {
        const std::size_t bytes = (count * sizeof(U) + 63) & ~std::size_t{63};
        if (used_ + bytes > bytes_) return nullptr;
        char* place = base_ + used_;
        used_ += bytes;
        if (poisoned_) std::memset(place, kPoison, bytes);
        return reinterpret_cast<U*>(place);
    }

    void reset() { used_ = 0; }
    bool is_poisoned() const { return poisoned_; }

private:
    char* base_;
    std::size_t used_;
    std::size_t bytes_;
    bool poisoned_;
};

// Signatures
//   cross-section: template <class T> void f(const T* x, T* out, const T* inside, Shape shape,
//                                            const double* params, Arena& arena);
//                  (two inputs: const T* x, const T* y, T* out, ...)
//   group:         the same with `const std::int32_t* group` after the inputs
//   time series:   template <class T> void f(const T* x, T* out, Shape shape, int window,
//                                            int min_periods, const double* params, Arena& arena);
// Each handles `shape.rows` rows from the pointers it is given; cross-sectional and group kernels
// treat rows independently, so the executor may call them on any range of rows.
// params are the operator's literal parameters in the order of its catalogue entry (flags 0/1).

}  // namespace alphamine
