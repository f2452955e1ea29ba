// The executor: a batch of formulas as one flat program, run over threads.
//
// A program is cut into shards that share nothing but the read-only inputs; each is run by one
// thread on its own buffers. Every value is computed by the same operations wherever it is computed,
// so the results have the same bits for any number of threads and any cut into shards.
#pragma once

#include <atomic>
#include <cstring>
#include <thread>
#include <vector>

#include "scores.hpp"
#include "table.hpp"
#include "workspace.hpp"

extern "C" {

// Mirrored by the ctypes structures in alphamine/engine/native.py.
struct AmInstruction {
    std::int32_t opcode;
    std::int32_t out;        // buffer; sinks: position of the formula in the outputs
    std::int32_t in[3];      // buffers: below `shared` shared arrays, from there on slots
    std::int32_t window;
    std::int32_t min_periods;
    std::int32_t masked;     // 1: nothing before a symbol's first observation
    double params[6];
};

struct AmProgram {
    std::int64_t rows, columns, stride, symbols;
    std::int32_t dtype;  // bytes of an element: 4 or 8
    std::int32_t threads;
    std::int32_t shared;
    std::int32_t slots;
    std::int32_t shards;
    std::int32_t max_window;
    void* const* arrays;             // the shared arrays
    const std::int64_t* strides;     // their row strides, 0 for literals
    const AmInstruction* code;
    const std::int64_t* shard_start;  // shards + 1 positions in code
    const void* inside;
    const void* alive;
    std::int64_t* infinite;   // one count for each instruction
    void* const* values;      // (rows, symbols) arrays that `emit` writes

    // What `score` reads and writes: days from first_day on, one row of the outputs a formula.
    const void* label;
    std::int64_t first_day, days, min_names;
    double *ic, *rank_ic, *turnover;  // null: not wanted
    std::int64_t *pairs, *present;
};
}

namespace alphamine {

// Sinks: opcodes above the kernels.
constexpr const char* kSinks[] = {"emit", "score"};
enum Sink { kEmit = kKernelCount, kScore, kOpcodeEnd };

constexpr Index kWholeBytes = Index{6} << 20;
constexpr Index kTile = 256;

template <class T>
class Worker {
public:
    Worker(const AmProgram& program, Workspace& memory)
        : program_(program), memory_(memory), arena_(memory.arena()) {}

    void run(std::int64_t begin, std::int64_t end) {
        while (begin < end) {
            std::int64_t stop = begin;
            while (stop < end && by_columns(program_.code[stop])) ++stop;
            if (stop > begin) run_columns(begin, stop);
            for (; stop < end && !by_columns(program_.code[stop]); ++stop) run_rows(stop);
            begin = stop;
        }
    }

private:
    static bool by_columns(const AmInstruction& step) {
        return step.opcode < kKernelCount && kKernels[step.opcode].cut == Cut::columns;
    }

    // A chain of column-wise kernels runs tile by tile, so that its buffers stay in the cache.
    void run_columns(std::int64_t begin, std::int64_t end) {
        // Whole rows read faster than parts of rows as long as the third-level cache holds them.
        const Index cells = program_.rows * program_.stride;
        const Index width = cells * Index{sizeof(T)} <= kWholeBytes ? program_.columns : kTile;
        for (Index c = 0; c < program_.columns; c += width)
            for (std::int64_t at = begin; at < end; ++at)
                run_kernel(at, c, std::min(width, program_.columns - c));
    }

    void run_rows(std::int64_t at) {
        const AmInstruction& step = program_.code[at];
        if (step.opcode == kEmit)
            emit(step);
        else if (step.opcode == kScore)
            score_days(step);
        else
            run_kernel(at, 0, program_.columns);
    }

    void run_kernel(std::int64_t at, Index first, Index width) {
        const AmInstruction& step = program_.code[at];
        const Kernel& kernel = kKernels[step.opcode];
        arena_.reset();
        Call<T> call{};
        for (int i = 0; i < kInputs; ++i) {
            if (step.in[i] < 0) continue;
            call.stride[i] = stride(step.in[i]);
            call.in[i] = array<T>(step.in[i]) + first;
        }
        call.out = array<T>(step.out) + first;
        call.inside = static_cast<const T*>(program_.inside) + first;
        call.shape = Shape{program_.rows, width, program_.stride};
        call.window = step.window;
        call.min_periods = step.min_periods;
        call.params = step.params;
        call.arena = &arena_;
        call.infinite = program_.infinite + at;
        if constexpr (sizeof(T) == 4)
            kernel.single(call);
        else
            kernel.full(call);
        if (step.masked) add_mask(call.out, static_cast<const T*>(program_.alive) + first, width);
        if (kernel.unbounded) program_.infinite[at] += drop_infinities(call.out, width);
    }

    void add_mask(T* out, const T* mask, Index width) {
        for (Index t = 0; t < program_.rows; ++t)
            for (Index c = 0; c < width; ++c)
                out[t * program_.stride + c] += mask[t * program_.stride + c];
    }

    // Infinities become NaN; returns how many there were.
    std::int64_t drop_infinities(T* out, Index width) {
        std::int64_t found = 0;
        for (Index t = 0; t < program_.rows; ++t) {
            T* row = out + t * program_.stride;
            Mask<T> infinite{};
            for (Index c = 0; c < width; c += kLanes<T>)
                infinite |= magnitude<T>(load(row + c)) == kInf<T>;
            if (any(infinite)) found += clear_infinities(row, width);
        }
        return found;
    }

    void emit(const AmInstruction& step) {
        const T* from = array<T>(step.in[0]);
        const Index from_stride = stride(step.in[0]);
        T* to = static_cast<T*>(program_.values[step.out]);
        for (Index t = 0; t < program_.rows; ++t)
            std::memcpy(to + t * program_.symbols, from + t * from_stride,
                        program_.symbols * sizeof(T));
    }

    void score_days(const AmInstruction& step) {
        arena_.reset();
        const Index from_stride = stride(step.in[0]), row = program_.first_day;
        const auto place = [&](auto* all) { return all ? all + step.out * program_.days : all; };
        score(array<T>(step.in[0]) + row * from_stride, from_stride,
              static_cast<const T*>(program_.inside) + row * program_.stride, program_.stride,
              *static_cast<const LabelDays*>(program_.label), program_.symbols, program_.min_names,
              ScoreArrays{place(program_.ic), place(program_.rank_ic), place(program_.turnover),
                          place(program_.pairs), place(program_.present)},
              arena_);
    }

    template <class U>
    U* array(std::int32_t buffer) {
        if (buffer < program_.shared) return static_cast<U*>(program_.arrays[buffer]);
        return static_cast<U*>(memory_.slot(buffer - program_.shared));
    }

    Index stride(std::int32_t buffer) const {
        return buffer < program_.shared ? program_.strides[buffer] : program_.stride;
    }

    const AmProgram& program_;
    Workspace& memory_;
    Arena arena_;
};

template <class T>
void run_shards(const AmProgram& program, std::vector<Workspace>& memory) {
    std::atomic<std::int32_t> next{0};
    const auto work = [&](Workspace& own) {
        Worker<T> worker(program, own);
        for (std::int32_t shard = next++; shard < program.shards; shard = next++)
            worker.run(program.shard_start[shard], program.shard_start[shard + 1]);
    };
    const int threads = std::min(program.threads, program.shards);
    std::vector<std::thread> others;
    for (int i = 1; i < threads; ++i) others.emplace_back(work, std::ref(memory[i]));
    work(memory[0]);
    for (auto& thread : others) thread.join();
}

}  // namespace alphamine
