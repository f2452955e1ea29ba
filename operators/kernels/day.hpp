// One day more: every node of some formulas gets the row of today from the last rows of its inputs.
//
// What a node has been lately stands in its ring: the row of day t at t % rows and again `rows` rows
// further on, so that the last days are always side by side. A kernel writes the row of today alone;
// its bits are those of the same row of any panel (kernel.hpp).
#pragma once

#include "program.hpp"

extern "C" {

// Mirrored by the ctypes structure in alphamine/engine/native.py.
struct AmDay {
    std::int64_t stride;
    std::int64_t count;  // days so far, today included
    std::int64_t begin, end;  // instructions to run; their buffers are rings
    std::int32_t dtype;  // bytes of an element: 4 or 8
    std::int32_t max_window;
    const AmOperation* operation;
    void* const* rings;
    const std::int64_t* rows;   // of each ring; 0: a literal
    const std::int64_t* items;  // bytes of its elements
    const AmInstruction* code;
    const void* inside;  // today's universe and who is alive, one row each
    const void* alive;
};
}

namespace alphamine {

template <class T>
class DayRun {
public:
    DayRun(const AmDay& day, Arena arena) : day_(day), arena_(arena) {}

    void run() {
        for (std::int64_t at = day_.begin; at < day_.end; ++at) run_kernel(day_.code[at]);
    }

private:
    // Where the row of today stands in a ring.
    char* today(std::int32_t ring) const {
        const Index rows = day_.rows[ring];
        const Index place = rows < 2 ? 0 : (day_.count - 1) % rows + rows;
        return static_cast<char*>(day_.rings[ring]) + place * row_bytes(ring);
    }

    Index row_bytes(std::int32_t ring) const { return day_.stride * day_.items[ring]; }

    void run_kernel(const AmInstruction& step) {
        const AmOperation& what = day_.operation[step.operation];
        const Kernel& kernel = kKernels[what.opcode];
        const Index first = std::min<Index>(what.lookback, day_.count - 1);
        arena_.reset();
        Call<T> call{};
        for (int i = 0; i < kInputs; ++i) {
            if (step.in[i] < 0) continue;
            const bool literal = day_.rows[step.in[i]] == 0;
            call.stride[i] = literal ? 0 : day_.stride;
            call.in[i] = today(step.in[i]) - (literal ? 0 : first * row_bytes(step.in[i]));
        }
        T* const out = reinterpret_cast<T*>(today(step.out));
        std::int64_t infinite = 0;
        call.out = out - first * day_.stride;
        call.inside = static_cast<const T*>(day_.inside);
        call.shape = Shape{first + 1, day_.stride, day_.stride};
        call.first = first;
        call.window = what.window;
        call.min_periods = what.min_periods;
        call.params = what.params;
        call.arena = &arena_;
        call.infinite = &infinite;
        if constexpr (sizeof(T) == 4)
            kernel.single(call);
        else
            kernel.full(call);
        const Shape row{1, day_.stride, day_.stride};
        if (what.masked) add_mask(out, static_cast<const T*>(day_.alive), row);
        if (kernel.unbounded) drop_infinities(out, row);
        if (const Index rows = day_.rows[step.out]; rows > 1)
            std::memcpy(out - rows * day_.stride, out, day_.stride * sizeof(T));
    }

    const AmDay& day_;
    Arena arena_;
};

}  // namespace alphamine
