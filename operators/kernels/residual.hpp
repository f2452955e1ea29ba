// What daily weighted regressions on groups and styles leave of ranks, and its correlation with what
// they leave of the label.
//
// The columns of a day's regression are orthonormal on the cells that have a label: of a formula that
// has a value in all of them, the projection is one sum of products. Where values are missing, the
// products of the columns on the cells that are left follow from those on the cells that are not, and
// are solved: nothing is approximated. Groups are eliminated first, one by one.
//
// The cells of a day stand group by group, and all columns of a cell side by side: a register holds
// the sums of eight columns at once, the weights' among them, which end with each group. Sums have
// two parts, by the number of the cell in its group: every instruction set gives the same bits.
#pragma once

#include <algorithm>
#include <atomic>
#include <cmath>
#include <thread>
#include <type_traits>

#include "lanes.hpp"
#include "workspace.hpp"

extern "C" {

// Mirrored by the ctypes structure in alphamine/engine/native.py.
struct AmProjection {
    const std::uint32_t* columns;  // of the cells, day after day, group by group
    const std::int16_t* places;    // (days, symbols): the number of a cell in its day
    const std::int16_t* labels;    // twice the centred ranks of the labels of the cells
    const std::int64_t* start;     // where the cells of each day start
    const float* lanes;  // (cells, lanes): the regression's columns, the label, the weight's root, zeros
    const float* roots;          // of the weights of the cells
    const std::int32_t* ends;    // (days, groups): where groups end in their day
    const double* masses;        // (days, groups): sums of the weights
    std::int64_t styles, groups;
};

// What `score` is to leave beside the scores of a program.
struct AmRanks {
    const AmProjection* projection;
    std::int16_t* ranks;  // (formulas, cells of the projection): twice centred, or kNoRank
};
}

namespace alphamine {

typedef double Eight __attribute__((vector_size(64)));
typedef double EightDoubles __attribute__((vector_size(64), aligned(8), may_alias));
typedef float EightFloats __attribute__((vector_size(32), aligned(4), may_alias));

// Marks a cell without a value among twice centred ranks, which are larger.
constexpr std::int16_t kNoRank = -32768;
inline bool is_known(std::int16_t x) { return x != kNoRank; }
inline bool is_known(double x) { return x == x; }

// Less than this share of the variance of a day is rounding.
constexpr double kUnexplained = 1e-6;
// A column with less than this share of its square left says nothing of its own.
constexpr double kDependent = 1e-7;
// Formulas whose sums are in registers at a time.
constexpr Index kTogether = AM_VECTOR_BYTES / 16;

// The numbers of the cells without a value, and garbage for a register after them; gives how many.
template <class X>
inline Index list_missing(const X* x, Index count, std::uint32_t* missing) {
    Keys numbers;
    for (int l = 0; l < kKeyLanes; ++l) numbers[l] = l;
    Index i = 0, missed = 0;
    for (; i + kKeyLanes <= count; i += kKeyLanes, numbers += kKeyLanes) {
        Mask<float> gone;
        for (int l = 0; l < kKeyLanes; ++l) gone[l] = is_known(x[i + l]) ? 0 : -1;
        missed += store_chosen(missing + missed, numbers, gone);
    }
    for (; i < count; ++i) {
        missing[missed] = static_cast<std::uint32_t>(i);
        missed += !is_known(x[i]);
    }
    return missed;
}

class DayProjector {
public:
    DayProjector(const AmProjection& projection, Index widest, Arena& arena)
        : given_(projection), lanes_(lanes_of(projection)) {
        const Index K = given_.styles, G = given_.groups;
        for (Formula& formula : formulas_) {
            formula.weighted = arena.take<double>(widest + 8);
            formula.sums = arena.take<double>(lanes_);
            formula.group = arena.take<double>(G);
            formula.slopes = arena.take<double>(K + 1);
            formula.missing = arena.take<std::uint32_t>(widest + kKeyLanes);
        }
        matrix_ = arena.take<double>(lanes_ * lanes_);
        cross_ = arena.take<double>(G * lanes_);
        mass_ = arena.take<double>(G);
        gone_ = arena.take<double>((widest + G) * lanes_);
        scaled_ = arena.take<double>((widest + G) * lanes_);
        pivots_ = arena.take<double>(K + 1);
        reduced_ = arena.take<double>(K + 1);
        columns_ = arena.take<float>(K * widest + 8);
    }

    static std::size_t bytes(const AmProjection& given, Index widest) {
        const Index K = given.styles + 1, G = given.groups, L = lanes_of(given);
        const Index formula = 2 * (widest + kKeyLanes) + L + G + K;
        const Index shared = (L + G + 2 * (widest + G)) * L + G + 2 * K;
        return 8 * (kTogether * formula + shared) + 4 * (K * widest + 8) + 64 * (5 * kTogether + 16);
    }

    // Goes to a day; `whole`: what is left of numbers will be asked for, not their correlations only.
    void turn_to(Index t, bool whole) {
        day_ = t;
        begin_ = given_.start[t];
        count_ = given_.start[t + 1] - begin_;
        whole_ = whole;
        if (!whole) return;
        const float* lanes = given_.lanes + begin_ * lanes_;
        for (Index i = 0; i < count_; ++i)
            for (Index k = 0; k < given_.styles; ++k) columns_[k * count_ + i] = lanes[i * lanes_ + k];
    }

    // The correlations of the numbers of some formulas, kTogether at most, cell by cell each; NaN
    // where either side is explained whole.
    template <class X>
    void correlate(const X* const* x, Index formulas, double* correlations) {
        for (Index f = 0; f < formulas; ++f) read(x[f], formulas_[f]);
        if (formulas == kTogether)
            add<kTogether>(formulas_);
        else
            for (Index f = 0; f < formulas; ++f) add<1>(formulas_ + f);
        for (Index f = 0; f < formulas; ++f) {
            correlations[f] = solve(formulas_[f]);
            if (whole_ && formulas_[f].left > 0.0) explain(formulas_[f]);
        }
    }

    // Sum of the weighted squares of what the regression leaves of one of them; 0 if nothing.
    double left(Index f) const { return formulas_[f].left; }

    // The same of numbers whose squares are 1 in the mean.
    double part(Index f) const {
        const Formula& own = formulas_[f];
        const double known = static_cast<double>(count_ - own.missed);
        return own.squares > 0.0 ? own.left * known / own.squares : 0.0;
    }

    // What it leaves of the numbers, times the roots of the weights.
    void rest(Index f, double* out) const {
        const Formula& own = formulas_[f];
        const float* roots = given_.roots + begin_;
        for (Index g = 0, i = 0; g < given_.groups; ++g) {
            const double mean = own.group[g];
            for (; i < end(g); ++i) out[i] = own.weighted[i] - mean * static_cast<double>(roots[i]);
        }
        for (Index k = 0; k < given_.styles; ++k) {
            const double slope = own.slopes[k];
            const float* column = columns_ + k * count_;
            for (Index i = 0; i < count_; ++i) out[i] -= slope * static_cast<double>(column[i]);
        }
        for (Index m = 0; m < own.missed; ++m) out[own.missing[m]] = 0.0;
    }

private:
    struct Formula {
        double *weighted, *sums, *group, *slopes;
        std::uint32_t* missing;
        Index missed;
        double squares, total, left;
    };

    static Index lanes_of(const AmProjection& given) { return (given.styles + 9) / 8 * 8; }
    Index end(Index g) const { return given_.ends[day_ * given_.groups + g]; }

    // Weights the values of the day; 0 where there is none.
    template <class X>
    void read(const X* x, Formula& own) const {
        const float* roots = given_.roots + begin_;
        double* to = own.weighted;
        Eight total{};
        bool gaps = false;
        Index i = 0;
        for (; i + 8 <= count_; i += 8) {
            X known[8];
            gaps |= only_known(x + i, known);
            const Eight weighted = wide(known) * wide(roots + i);
            total += weighted * weighted;
            put(to + i, weighted);
        }
        for (Index l = 0; i < count_; ++i, ++l) {
            const bool known = is_known(x[i]);
            const double value = known ? static_cast<double>(x[i]) : 0.0, weighted = value * roots[i];
            gaps |= !known;
            total[l] += weighted * weighted;
            to[i] = weighted;
        }
        own.missed = gaps ? list_missing(x, count_, own.missing) : 0;
        own.squares = whole_ ? squares(x) : 0.0;
        own.total = sum(total);
    }

    template <class X>
    double squares(const X* x) const {
        Eight squares{};
        Index i = 0;
        for (; i + 8 <= count_; i += 8) {
            X known[8];
            only_known(x + i, known);
            squares += wide(known) * wide(known);
        }
        for (Index l = 0; i < count_; ++i, ++l)
            if (is_known(x[i])) squares[l] += static_cast<double>(x[i]) * x[i];
        return sum(squares);
    }

    // The products of some formulas with all lanes, and the weighted sums of their groups.
    template <Index Together>
    void add(Formula* formulas) const {
        const Index slot = given_.styles + 1;
        const float* lanes = given_.lanes + begin_ * lanes_;
        for (Index chunk = 0; chunk < lanes_; chunk += 8) {
            Eight whole[Together] = {};
            for (Index g = 0, i = 0; g < given_.groups; ++g) {
                Eight even[Together] = {}, odd[Together] = {};
                const Index stop = end(g);
                for (; i + 2 <= stop; i += 2) {
                    const float* row = lanes + i * lanes_ + chunk;
                    const Eight first = wide(row), second = wide(row + lanes_);
#pragma GCC unroll 4
                    for (Index f = 0; f < Together; ++f) {
                        even[f] += formulas[f].weighted[i] * first;
                        odd[f] += formulas[f].weighted[i + 1] * second;
                    }
                }
                if (i < stop) {
                    const Eight last = wide(lanes + i * lanes_ + chunk);
                    for (Index f = 0; f < Together; ++f) even[f] += formulas[f].weighted[i] * last;
                    ++i;
                }
                for (Index f = 0; f < Together; ++f) {
                    const Eight own = even[f] + odd[f];
                    whole[f] += own;
                    if (slot < chunk + 8) formulas[f].group[g] = own[slot - chunk];
                }
            }
            for (Index f = 0; f < Together; ++f) put(formulas[f].sums + chunk, whole[f]);
        }
    }

    // Sets what is left of the formula; gives its correlation with what is left of the label.
    double solve(Formula& own) {
        const Index K = given_.styles, G = given_.groups;
        const double* masses = given_.masses + day_ * G;
        double yy = 1.0, seen = 1.0;
        own.left = own.total;
        if (own.missed == 0) {
            for (Index g = 0; g < G; ++g)
                own.left -= masses[g] > 0.0 ? own.group[g] * own.group[g] / masses[g] : 0.0;
            for (Index k = 0; k < K; ++k) own.left -= own.sums[k] * own.sums[k];
        } else if (own.missed < count_) {
            seen = take_out(own);
            eliminate(own);
            yy = matrix_[K * lanes_ + K];
        }
        if (!(own.left > kUnexplained * own.total && yy > kUnexplained * seen)) {
            own.left = 0.0;
            return kNaN<double>;
        }
        return std::min(1.0, std::max(-1.0, own.sums[K] / std::sqrt(own.left * yy)));
    }

    // Makes the products of columns and label those of the cells that have a value, and without their
    // groups: matrix_. Gives the label's square with its groups.
    double take_out(Formula& own) {
        const Index K = given_.styles, G = given_.groups, L = lanes_;
        const float* lanes = given_.lanes + begin_ * L;
        const double* masses = given_.masses + day_ * G;
        std::fill(cross_, cross_ + G * L, 0.0);
        double seen = 1.0;
        Index gone = 0;  // rows whose products leave the matrix
        for (Index g = 0, m = 0; g < G; ++g) {
            double* cross = cross_ + g * L;
            const Index before = m, stop = end(g);
            for (; m < own.missed && own.missing[m] < stop; ++m, ++gone) {
                const float* cell = lanes + own.missing[m] * L;
                const double root = cell[K + 1], label = cell[K];
                seen -= label * label;
                for (Index l = 0; l < L; l += 8) {
                    const Eight lane = wide(cell + l);
                    put(gone_ + gone * L + l, lane);
                    put(scaled_ + gone * L + l, lane);
                    put(cross + l, eight(cross + l) - root * lane);
                }
            }
            // The last lane used is that of the roots: their squares are the weights.
            mass_[g] = masses[g] + cross[K + 1];
            if (!(mass_[g] > kDependent * masses[g])) {
                mass_[g] = 0.0;
                std::fill(cross, cross + L, 0.0);
                continue;
            }
            const double share = 1.0 / mass_[g], mean = own.group[g] * share;
            own.left -= mean * own.group[g];
            if (m == before) continue;
            for (Index l = 0; l < L; l += 8) {
                const Eight lane = eight(cross + l);
                put(gone_ + gone * L + l, lane);
                put(scaled_ + gone * L + l, share * lane);
                put(own.sums + l, eight(own.sums + l) - mean * lane);
            }
            ++gone;
        }
        for (Index k = 0; k < L; k += 8)
            for (Index l = 0; l < L; l += 8) without(k, l, gone);
        return seen;
    }

    // Eight rows and lanes of the matrix: those of the identity less the products of rows.
    void without(Index k, Index l, Index gone) {
        Eight rows[8] = {};
        if (k == l)
            for (Index j = 0; j < 8; ++j) rows[j][j] = 1.0;
        for (Index m = 0; m < gone; ++m) {
            const double* of = gone_ + m * lanes_ + k;
            const Eight row = eight(scaled_ + m * lanes_ + l);
#pragma GCC unroll 8
            for (Index j = 0; j < 8; ++j) rows[j] -= of[j] * row;
        }
        for (Index j = 0; j < 8; ++j) put(matrix_ + (k + j) * lanes_ + l, rows[j]);
    }

    // Least squares on what the groups have left of the columns (those that depend on others left out):
    // what is then left of formula and label stands in the label's lane.
    void eliminate(Formula& own) {
        const Index K = given_.styles, L = lanes_;
        for (Index k = 0; k < K; ++k) {
            const double* pivot = matrix_ + k * L;
            reduced_[k] = own.sums[k];
            if (!(pivot[k] > kDependent)) {
                pivots_[k] = 0.0;
                continue;
            }
            pivots_[k] = 1.0 / pivot[k];
            own.left -= reduced_[k] * reduced_[k] * pivots_[k];
            for (Index l = k / 8 * 8; l < L; l += 8) {
                const Eight row = eight(pivot + l) * pivots_[k];
                put(own.sums + l, eight(own.sums + l) - reduced_[k] * row);
                // By symmetry the pivot's lanes are the column under it.
                for (Index j = k + 1; j <= K; ++j) {
                    double* to = matrix_ + j * L + l;
                    put(to, eight(to) - pivot[j] * row);
                }
            }
        }
    }

    // Slopes of the columns, and what the groups' means are without them, in the sums' place.
    void explain(Formula& own) {
        const Index K = given_.styles, G = given_.groups;
        const double* masses = given_.masses + day_ * G;
        if (own.missed == 0) {
            std::copy(own.sums, own.sums + K, own.slopes);
            for (Index g = 0; g < G; ++g)
                own.group[g] = masses[g] > 0.0 ? own.group[g] / masses[g] : 0.0;
            return;
        }
        for (Index k = K; k-- > 0;) {
            double x = reduced_[k];
            for (Index j = k + 1; j < K; ++j) x -= matrix_[k * lanes_ + j] * own.slopes[j];
            own.slopes[k] = x * pivots_[k];
        }
        for (Index g = 0; g < G; ++g) {
            double rest = own.group[g];
            for (Index k = 0; k < K; ++k) rest -= cross_[g * lanes_ + k] * own.slopes[k];
            own.group[g] = mass_[g] > 0.0 ? rest / mass_[g] : 0.0;
        }
    }

    // Eight cells, 0 where there is no value; gives whether any has none.
    static bool only_known(const std::int16_t* x, std::int16_t* known) {
        typedef std::int16_t Shorts __attribute__((vector_size(16)));
        Shorts cells;
        std::memcpy(&cells, x, sizeof cells);
        const Shorts missing = cells == kNoRank;
        cells &= ~missing;
        std::memcpy(known, &cells, sizeof cells);
        std::uint64_t halves[2];
        std::memcpy(halves, &missing, sizeof halves);
        return (halves[0] | halves[1]) != 0;
    }
    static bool only_known(const double* x, double* known) {
        bool all = true;
        for (Index l = 0; l < 8; ++l) {
            known[l] = x[l] == x[l] ? x[l] : 0.0;
            all &= x[l] == x[l];
        }
        return !all;
    }

    static double sum(const Eight& s) {
        return ((s[0] + s[1]) + (s[2] + s[3])) + ((s[4] + s[5]) + (s[6] + s[7]));
    }
    // What the compiler makes of the conversions of whole registers is several times as long.
    static Eight wide(const std::int16_t* p) {
#if defined(__AVX512F__)
        const __m128i shorts = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
        return (Eight)_mm512_cvtepi32_pd(_mm256_cvtepi16_epi32(shorts));
#else
        return Eight{double(p[0]), double(p[1]), double(p[2]), double(p[3]),
                     double(p[4]), double(p[5]), double(p[6]), double(p[7])};
#endif
    }
    static Eight wide(const float* p) {
#if defined(__AVX512F__)
        return (Eight)_mm512_cvtps_pd(_mm256_loadu_ps(p));
#endif
        return __builtin_convertvector(*reinterpret_cast<const EightFloats*>(p), Eight);
    }
    static Eight wide(const double* p) { return eight(p); }
    static Eight eight(const double* p) { return *reinterpret_cast<const EightDoubles*>(p); }
    static void put(double* p, Eight x) { *reinterpret_cast<EightDoubles*>(p) = x; }

    const AmProjection given_;
    const Index lanes_;
    Index day_ = 0, begin_ = 0, count_ = 0;
    bool whole_ = false;
    Formula formulas_[kTogether];
    double *matrix_, *cross_, *mass_, *gone_, *scaled_;
    double *pivots_, *reduced_;
    float* columns_;  // of the day, one by one
};

// Whole numbers whose squares, added over a day, stay inside 32 bits (see `day_products`).
inline double largest_whole(Index count) {
    const double most = std::floor(std::sqrt(2147483647.0 / std::max<Index>(count, 1)));
    return std::min(count < 1290 ? most : 1289.0, 32767.0);
}

// Rounded to the nearest; below 2^51.
inline double whole_number(double x) {
    constexpr double shift = 6755399441055744.0;  // 1.5 * 2^52
    return (x + shift) - shift;
}

// What is asked of some formulas: one entry (or row of days) for each.
template <class X>
struct ResidualArrays {
    const X* const* given;  // (cells,) each; is_known says of which
    double* rank_ic;        // (formulas, days): correlations with what is left of the label
    X* const* out;          // (cells,) each, or null: what the regressions leave of these,
    double *squares, *parts;  // (formulas, days): and if so, the sums of its squares; see `part`
};

// The same of some days. What is left of whole numbers is in whole numbers, the largest of a day as
// large as `day_products` allows. False without memory.
template <class X>
bool residual_days(const AmProjection& projection, Index days, Index first, Index stop,
                   Index formulas, const ResidualArrays<X>& arrays) {
    constexpr bool whole = std::is_integral<X>::value;
    Index widest = 0;
    for (Index t = first; t < stop; ++t)
        widest = std::max<Index>(widest, projection.start[t + 1] - projection.start[t]);
    Pages pages;
    if (!pages.ensure(DayProjector::bytes(projection, widest) + 8 * (widest + 64) + 4096)) return false;
    Arena arena(pages.data(), pages.bytes());
    double* rest = arena.take<double>(widest + 1);
    DayProjector projector(projection, widest, arena);
    // Day by day, so that what a day needs is read once for all formulas.
    for (Index t = first; t < stop; ++t) {
        const Index begin = projection.start[t], count = projection.start[t + 1] - begin;
        projector.turn_to(t, arrays.out != nullptr);
        for (Index from = 0; from < formulas; from += kTogether) {
            const Index together = std::min(kTogether, formulas - from);
            const X* given[kTogether];
            double correlations[kTogether];
            for (Index f = 0; f < together; ++f) given[f] = arrays.given[from + f] + begin;
            projector.correlate(given, together, correlations);
            for (Index f = 0; f < together; ++f) {
                const Index place = (from + f) * days + t;
                arrays.rank_ic[place] = correlations[f];
                if (arrays.out == nullptr) continue;
                X* out = arrays.out[from + f] + begin;
                arrays.parts[place] = projector.part(f);
                arrays.squares[place] = 0.0;
                if (!(projector.left(f) > 0.0)) {
                    std::fill(out, out + count, X(0));
                    continue;
                }
                projector.rest(f, rest);
                double peak = 0.0, squares = 0.0;
                for (Index i = 0; i < count; ++i) peak = std::max(peak, std::fabs(rest[i]));
                const double unit = whole ? largest_whole(count) / peak : 1.0;
                for (Index i = 0; i < count; ++i) {
                    const double scaled = whole ? whole_number(rest[i] * unit) : rest[i];
                    out[i] = static_cast<X>(scaled);
                    squares += scaled * scaled;
                }
                arrays.squares[place] = squares;
            }
        }
    }
    return true;
}

// Of all days, which threads share.
template <class X>
bool residual_cells(const AmProjection& projection, Index days, Index formulas,
                    const ResidualArrays<X>& arrays, Index threads) {
    threads = std::max<Index>(1, std::min(threads, days));
    std::vector<std::thread> others;
    std::atomic<bool> done{true};
    const auto work = [&](Index i) {
        if (!residual_days(projection, days, days * i / threads, days * (i + 1) / threads, formulas,
                           arrays))
            done = false;
    };
    for (Index i = 1; i < threads; ++i) others.emplace_back(work, i);
    work(0);
    for (auto& thread : others) thread.join();
    return done;
}

}  // namespace alphamine
