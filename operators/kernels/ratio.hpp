// Ratios over / sqrt(square) and roots sqrt(square) of two registers in float arithmetic, scaled into
// its range by exact powers of two: four times as fast as in double, and right to two units in the
// last place.
//
// Neither the rounded quotient of two scaled floats nor the scaled root has other bits if `over` is
// scaled by another power of two (and `square` by its square), as long as no scaled float leaves the
// normal range. One power for all lanes of a block will do where running sums are exact (exact.hpp).
// Let 2^e be the block's largest exponent, r its range, 2^b > n. Windows that lose no digits have
//   2^(2 e - 2 r - 24 - b) < variance < 2^(2 e + 3), and 2 r + 2 b <= 55.
// For two inputs, with e and r now the sums of both, n^2 times the one variance times n^2 times the
// other is from 2^(2 e - 2 r - 46) to 2^(2 e + 4 b + 4), and 2 r + 4 b <= 110: times 2^(2 kCentre) it
// stays from 2^-124 to 2^127, for windows up to 2^24 rows.
// What is above the root is a multiple of 2^(e - r - 46 - b), or 0.
#pragma once

#include "windows.hpp"

namespace alphamine {

// What the sums say of one register of windows: over / sqrt(square), sqrt(square) or just `over`, and
// which of them lost too many digits. Filled in place: the compiler copies vectors in structs through
// memory.
struct Judged {
    Vec<double> over, square;
    Mask<double> lost;
};
enum class Finish { plain, root, ratio, correlation };  // a correlation is limited to [-1, 1]

// The power of two of a block, by which `over` is divided.
class BlockUnit {
public:
    explicit BlockUnit(int exponent)
        : down_(splat(two_to(-exponent))), down_square_(splat(two_to(-2 * exponent))),
          up_(splat(static_cast<float>(two_to(exponent)))) {}

    void scale(Vec<double>& over, Vec<double>& square) const {
        over *= down_;
        square *= down_square_;
    }

    Vec<float> root(Vec<double> square0, Vec<double> square1) const {
        return square_root(join(square0 * down_square_, square1 * down_square_)) * up_;
    }

private:
    Vec<double> down_, down_square_;
    Vec<float> up_;
};

// A power of two for each lane, from its square.
class LaneUnit {
public:
    void scale(Vec<double>& over, Vec<double>& square) const {
        typedef std::uint64_t Bits __attribute__((vector_size(AM_VECTOR_BYTES), may_alias));
        const Bits even = (reinterpret_cast<Bits>(square) >> 52) & 0x7fe;
        square *= reinterpret_cast<Vec<double>>((2045 - even) << 52);
        over *= reinterpret_cast<Vec<double>>((1534 - (even >> 1)) << 52);
    }

    // Scaled back in double: the power itself may be no float.
    Vec<float> root(Vec<double> square0, Vec<double> square1) const {
        Vec<double> down0 = splat(1.0), down1 = down0;
        scale(down0, square0);
        scale(down1, square1);
        const Vec<float> root = square_root(join(square0, square1));
        return join(wide_part(&root, 0) / down0, wide_part(&root, 1) / down1);
    }
};

template <class Unit>
inline Vec<float> ratio_in(const Unit& unit, const Judged& a, const Judged& b) {
    Vec<double> over0 = a.over, over1 = b.over, square0 = a.square, square1 = b.square;
    unit.scale(over0, square0);
    unit.scale(over1, square1);
    return join(over0, over1) / square_root(join(square0, square1));
}

// Any ratio may be of cubes, say, which no unit of a block fits.
template <Finish finish, class Unit>
inline Vec<float> finished(const Unit& unit, const Judged& a, const Judged& b) {
    if constexpr (finish == Finish::plain) return join(a.over, b.over);
    if constexpr (finish == Finish::root) return unit.root(a.square, b.square);
    if constexpr (finish == Finish::ratio) return ratio_in(LaneUnit{}, a, b);
    return lower(splat(1.0f), higher(splat(-1.0f), ratio_in(unit, a, b)));
}

}  // namespace alphamine
