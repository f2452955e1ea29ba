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
struct AmOperation {
    std::int32_t opcode;
    std::int32_t window;
    std::int32_t min_periods;
    std::int32_t masked;    // 1: nothing before a symbol's first observation
    std::int32_t lookback;  // rows before today that a value depends on
    std::int32_t unused;
    double params[6];
};

struct AmInstruction {
    std::int32_t operation;
    std::int32_t out;    // buffer; sinks: position of the formula in the outputs
    std::int32_t in[3];  // buffers: below `shared` shared arrays, from there on slots; -1: none
};

struct AmProgram {
    std::int64_t rows, columns, stride, symbols;
    std::int32_t dtype;  // bytes of an element: 4 or 8
    std::int32_t threads;
    std::int32_t shared;
    std::int32_t slots;
    std::int32_t shards;
    std::int32_t max_window;
    std::int32_t operations;
    std::int32_t partial;            // 1: only rows that the scored days depend on
    const AmOperation* operation;
    void* const* arrays;             // the shared arrays
    const std::int64_t* strides;     // their row strides, 0 for literals
    const std::int64_t* items;       // bytes of their elements (group codes have 4)
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

// Whole columns read faster than tiles of them as long as the third-level cache holds an array.
constexpr Index kWholeBytes = Index{6} << 20;
constexpr Index kTile = 256;
// Operators that look at one day only run on so many bytes of days at a time.
constexpr Index kDayBytes = Index{64} << 10;

template <class T>
void add_mask(T* out, const T* mask, Shape shape) {
    for (Index t = 0; t < shape.rows; ++t)
        for (Index c = 0; c < shape.columns; ++c)
            out[t * shape.stride + c] += mask[t * shape.stride + c];
}

// Infinities become NaN; returns how many there were.
template <class T>
std::int64_t drop_infinities(T* out, Shape shape) {
    std::int64_t found = 0;
    for (Index t = 0; t < shape.rows; ++t) {
        T* row = out + t * shape.stride;
        Mask<T> infinite{};
        for (Index c = 0; c < shape.columns; c += kLanes<T>)
            infinite |= magnitude<T>(load(row + c)) == kInf<T>;
        if (any(infinite)) found += clear_infinities(row, shape.columns);
    }
    return found;
}

template <class T>
class Worker {
public:
    Worker(const AmProgram& program, const AmRanks* ranks, Workspace& memory)
        : program_(program), ranks_(ranks), memory_(memory), arena_(memory.arena()) {}

    void run(std::int64_t begin, std::int64_t end) {
        if (arena_.is_poisoned() && program_.slots > 0) memory_.poison_slots();
        find_first_rows(begin, end);
        while (begin < end) {
            const auto until = [&](auto wanted) {
                std::int64_t stop = begin;
                while (stop < end && wanted(program_.code[stop])) ++stop;
                return stop;
            };
            std::int64_t stop = until([&](auto& step) { return by_days(step); });
            if (stop > begin) {
                run_days(begin, stop, 0, program_.columns);
            } else if (stop = until([&](auto& step) { return by_columns(step); }); stop > begin) {
                run_columns(begin, stop);
            } else {
                deliver(program_.code[begin]);
                ++stop;
            }
            begin = stop;
        }
    }

private:
    const AmOperation& operation(const AmInstruction& step) const {
        return program_.operation[step.operation];
    }
    bool is_sink(const AmInstruction& step) const { return operation(step).opcode >= kKernelCount; }
    bool by_days(const AmInstruction& step) const {
        return !is_sink(step) && kKernels[operation(step).opcode].cut != Cut::columns;
    }
    bool by_columns(const AmInstruction& step) const {
        return !is_sink(step) && kKernels[operation(step).opcode].cut != Cut::rows;
    }

    // Where each instruction of a shard has to begin: what is read of it later decides. A kernel
    // that looks back begins with the rows that it reads; what it makes of those is not read.
    void find_first_rows(std::int64_t begin, std::int64_t end) {
        begin_ = begin;
        first_.assign(end - begin, 0);
        if (!program_.partial) return;
        std::vector<Index> needed(program_.slots, program_.rows);
        for (std::int64_t at = end; at-- > begin;) {
            const AmInstruction& step = program_.code[at];
            Index first = program_.first_day;
            if (!is_sink(step)) first = std::exchange(needed[step.out - program_.shared], program_.rows);
            const Index reads = std::max<Index>(0, first - operation(step).lookback);
            first_[at - begin] = reads;
            for (const std::int32_t in : step.in)
                if (in >= program_.shared)
                    needed[in - program_.shared] = std::min(needed[in - program_.shared], reads);
        }
    }

    // Kernels that look at one day only, so many days at a time that their buffers stay in the
    // second-level cache.
    void run_days(std::int64_t begin, std::int64_t end, Index column, Index width) {
        Index start = program_.rows;
        for (std::int64_t at = begin; at < end; ++at) start = std::min(start, first_[at - begin_]);
        const Index fit = kDayBytes / (width * Index{sizeof(T)}) / kLaneBlock * kLaneBlock;
        const Index days = end - begin > 1 ? std::max(kLaneBlock, fit) : program_.rows;
        for (; start < program_.rows; start += days) {
            const Index stop = std::min(program_.rows, start + days);
            for (std::int64_t at = begin; at < end; ++at)
                run_kernel(at, std::max(start, first_[at - begin_]), stop, column, width);
        }
    }

    // A chain that looks back runs tile by tile on arrays too large for the cache.
    void run_columns(std::int64_t begin, std::int64_t end) {
        const Index cells = program_.rows * program_.stride;
        const Index width = cells * Index{sizeof(T)} <= kWholeBytes ? program_.columns : kTile;
        for (Index column = 0; column < program_.columns; column += width) {
            const Index columns = std::min(width, program_.columns - column);
            for (std::int64_t at = begin, stop; at < end; at = stop) {
                for (stop = at; stop < end && by_days(program_.code[stop]);) ++stop;
                if (stop > at) {
                    run_days(at, stop, column, columns);
                } else {
                    run_kernel(at, first_[at - begin_], program_.rows, column, columns);
                    ++stop;
                }
            }
        }
    }

    void deliver(const AmInstruction& step) {
        if (operation(step).opcode == kEmit)
            emit(step);
        else
            score_days(step);
    }

    void run_kernel(std::int64_t at, Index start, Index stop, Index column, Index width) {
        if (start >= stop) return;
        const AmInstruction& step = program_.code[at];
        const AmOperation& what = operation(step);
        const Kernel& kernel = kKernels[what.opcode];
        const Index place = start * program_.stride + column;
        arena_.reset();
        Call<T> call{};
        for (int i = 0; i < kInputs; ++i) {
            if (step.in[i] < 0) continue;
            call.stride[i] = stride(step.in[i]);
            call.in[i] = array<char>(step.in[i]) +
                         (start * call.stride[i] + column) * item(step.in[i]);
        }
        call.out = array<T>(step.out) + place;
        if (arena_.is_poisoned())
            for (Index t = start; t < stop; ++t)
                std::memset(call.out + (t - start) * program_.stride, kPoison, width * sizeof(T));
        call.inside = static_cast<const T*>(program_.inside) + place;
        call.shape = Shape{stop - start, width, program_.stride};
        call.window = what.window;
        call.min_periods = what.min_periods;
        call.params = what.params;
        call.arena = &arena_;
        call.infinite = program_.infinite + at;
        if constexpr (sizeof(T) == 4)
            kernel.single(call);
        else
            kernel.full(call);
        if (what.masked)
            add_mask(call.out, static_cast<const T*>(program_.alive) + place, call.shape);
        if (kernel.unbounded) *call.infinite += drop_infinities(call.out, call.shape);
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
                          place(program_.pairs), place(program_.present),
                          kept_ranks(step.out), ranks_ ? ranks_->projection : nullptr},
              arena_);
    }

    // Where the ranks of a formula go, if they are wanted.
    std::int16_t* kept_ranks(std::int32_t formula) const {
        if (ranks_ == nullptr) return nullptr;
        return ranks_->ranks + formula * ranks_->projection->start[program_.days];
    }

    template <class U>
    U* array(std::int32_t buffer) {
        if (buffer < program_.shared) return static_cast<U*>(program_.arrays[buffer]);
        return static_cast<U*>(memory_.slot(buffer - program_.shared));
    }

    Index stride(std::int32_t buffer) const {
        return buffer < program_.shared ? program_.strides[buffer] : program_.stride;
    }

    Index item(std::int32_t buffer) const {
        return buffer < program_.shared ? program_.items[buffer] : Index{sizeof(T)};
    }

    const AmProgram& program_;
    const AmRanks* ranks_;  // null: none are wanted
    Workspace& memory_;
    Arena arena_;
    std::int64_t begin_ = 0;     // of the shard
    std::vector<Index> first_;   // row at which each of its instructions begins
};

template <class T>
void run_shards(const AmProgram& program, const AmRanks* ranks,
                std::vector<Workspace>& memory) {
    std::atomic<std::int32_t> next{0};
    const auto work = [&](Workspace& own) {
        Worker<T> worker(program, ranks, own);
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
