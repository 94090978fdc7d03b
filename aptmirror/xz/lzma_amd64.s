//go:build !purego

#include "go_asm.h"
#include "textflag.h"

// The loop of lzma.decode for amd64. It does what (*work).symbolsGo of lzma.go does,
// symbol by symbol, and must come to the same; only its instructions are chosen by
// hand: the next bit's two probabilities are loaded before it is known which of
// them it takes, so that a bit costs a multiplication and a choice, and no wait
// for memory.
//
//	AX  range         DI   probabilities
//	BX  code          R10  the buffer
//	SI  input         R11  position in it
//	R12 state         the others hold nothing from one symbol to the next
//
// Nothing here is bounded by what the input says: a position is compared with the
// buffer's end, an input with its own, a distance with what there is, once a symbol;
// all indexes of probabilities come from masked numbers.

// NORMALISE takes in another byte when the range has become small.
#define NORMALISE(tmp) \
	CMPL AX, $const_top; \
	JCC  6(PC); \
	MOVBLZX (SI), tmp; \
	SHLL $8, BX; \
	SHLL $8, AX; \
	ORL  tmp, BX; \
	INCQ SI

// BOUND is DX = the part of the range that stands for 0, with probability R9.
#define BOUND \
	MOVL AX, DX; \
	SHRL $11, DX; \
	IMULL R9, DX

// ASK compares for a bit that is branched by: above or equal is 1.
#define ASK(address) \
	MOVWLZX address, R9; \
	NORMALISE(R13); \
	BOUND; \
	CMPL BX, DX

#define ZERO(address) \
	MOVL DX, AX; \
	MOVL $2048, R13; \
	SUBL R9, R13; \
	SHRL $5, R13; \
	ADDL R9, R13; \
	MOVW R13, address

#define ONE(address) \
	SUBL DX, AX; \
	SUBL DX, BX; \
	MOVL R9, R13; \
	SHRL $5, R13; \
	SUBL R13, R9; \
	MOVW R9, address

// CHOOSE sets range and code by the bit; carry is set where it is 0.
#define CHOOSE(tmp) \
	MOVL BX, tmp; \
	SUBL DX, AX; \
	SUBL DX, BX; \
	CMOVLCS DX, AX; \
	CMOVLCS tmp, BX

// ADAPT stores what becomes of probability R9; R13 is all ones after a 0.
#define ADAPT(address, tmp) \
	MOVL R13, tmp; \
	ANDL $(31-2048), tmp; \
	ADDL R9, tmp; \
	SARL $5, tmp; \
	SUBL tmp, R9; \
	MOVW R9, address

// BIT decodes one of a tree at R8 whose symbol so far is CX, with probability R9,
// and leaves the next one's there.
#define BIT \
	MOVWLZX (R8)(CX*4), R15; \
	MOVWLZX 2(R8)(CX*4), R14; \
	NORMALISE(R13); \
	BOUND; \
	CHOOSE(R13); \
	CMOVLCC R14, R15; \
	SBBL R13, R13; \
	ADAPT((R8)(CX*2), R14); \
	LEAL 1(R13)(CX*2), CX; \
	MOVL R15, R9

#define FIRST \
	MOVL $1, CX; \
	MOVWLZX 2(R8), R9

// LAST is a tree's last bit.
#define LAST \
	NORMALISE(R13); \
	BOUND; \
	CHOOSE(R13); \
	SBBL R13, R13; \
	ADAPT((R8)(CX*2), R14); \
	LEAL 1(R13)(CX*2), CX

// BITS3 and BITS8 are whole trees of so many bits.
#define BITS3 \
	FIRST; \
	BIT; \
	BIT; \
	LAST

#define BITS8 \
	FIRST; \
	BIT; \
	BIT; \
	BIT; \
	BIT; \
	BIT; \
	BIT; \
	BIT; \
	LAST

// MATCHED decodes a bit of a literal after a match: R10 is the match's byte, its
// next bit at 0x100; R12 is 0x100 as long as they agree.
#define MATCHED \
	MOVL R10, R13; \
	ANDL R12, R13; \
	LEAL (R12)(R13*1), R11; \
	ADDL CX, R11; \
	ADDL R10, R10; \
	MOVL R10, R14; \
	ANDL R13, R14; \
	ADDL R13, R14; \
	LEAL 1(R14)(CX*2), R14; \
	XORL R12, R13; \
	MOVWLZX (R8)(R14*2), R14; \
	MOVL R10, R15; \
	ANDL R13, R15; \
	ADDL R13, R15; \
	LEAL (R15)(CX*2), R15; \
	XORL R13, R12; \
	MOVWLZX (R8)(R15*2), R15; \
	NORMALISE(DX); \
	BOUND; \
	CHOOSE(BP); \
	CMOVLCS R13, R12; \
	CMOVLCC R14, R15; \
	SBBL R13, R13; \
	ADAPT((R8)(R11*2), R14); \
	LEAL 1(R13)(CX*2), CX; \
	MOVL R15, R9

// func symbolsAssembly(w *work) bool
TEXT ·symbolsAssembly(SB), NOSPLIT, $16-9
	MOVQ w+0(FP), R14
	MOVL work_rng(R14), AX
	MOVL work_code(R14), BX
	MOVQ work_in(R14), SI
	ADDQ work_at(R14), SI
	MOVQ work_probs(R14), DI
	MOVQ work_buf(R14), R10
	MOVQ work_pos(R14), R11
	MOVL work_state(R14), R12

symbol:
	CMPQ R11, work_end(R14)
	JGE  done
	MOVQ SI, CX
	SUBQ work_in(R14), CX
	CMPQ CX, work_n(R14)
	JGT  damaged
	MOVL R11, R15
	ANDL work_pbMask(R14), R15 // posState
	MOVL R12, R8
	SHLL $4, R8
	ADDL R15, R8
	ASK((const_isMatch*2)(DI)(R8*2))
	JCC  match
	ZERO((const_isMatch*2)(DI)(R8*2))

	// A literal: its tree is chosen by the byte before and the position.
	XORL R8, R8
	TESTQ R11, R11
	JEQ  2(PC)
	MOVBLZX -1(R10)(R11*1), R8
	MOVL R11, DX
	ANDL work_lpMask(R14), DX
	SHLL $8, DX
	ADDL DX, R8
	MOVL work_lcShift(R14), CX
	SHRL CX, R8
	IMULQ $(const_literalSize*2), R8
	LEAQ (const_literals*2)(DI)(R8*1), R8
	CMPL R12, $const_firstNonLit
	JCC  matched
	XORL CX, CX
	SUBL $3, R12
	CMOVLMI CX, R12
	BITS8
	MOVB CX, (R10)(R11*1)
	INCQ R11
	MOVQ w+0(FP), R14
	JMP  symbol

matched:
	MOVL work_rep0(R14), R13
	CMPQ R13, R11
	JCC  damaged
	CMPL R13, work_size(R14)
	JCC  damaged
	MOVQ R11, work_pos(R14)
	SUBQ R13, R11
	MOVBLZX -1(R10)(R11*1), R10
	ADDL R10, R10
	LEAL -3(R12), CX
	LEAL -6(R12), DX
	CMPL R12, $10
	CMOVLCC DX, CX
	MOVL CX, work_state(R14)
	MOVL $0x100, R12
	MOVL $1, CX
	MOVL R10, R13
	ANDL R12, R13
	MOVWLZX (2*0x101)(R8)(R13*2), R9
	MATCHED
	MATCHED
	MATCHED
	MATCHED
	MATCHED
	MATCHED
	MATCHED
	MOVL R10, R11
	ANDL R12, R11
	ADDL R12, R11
	ADDL CX, R11
	NORMALISE(R13)
	BOUND
	CHOOSE(R13)
	SBBL R13, R13
	ADAPT((R8)(R11*2), R14)
	LEAL 1(R13)(CX*2), CX
	MOVQ w+0(FP), R14
	MOVQ work_buf(R14), R10
	MOVQ work_pos(R14), R11
	MOVL work_state(R14), R12
	MOVB CX, (R10)(R11*1)
	INCQ R11
	JMP  symbol

match:
	ONE((const_isMatch*2)(DI)(R8*2))
	ASK((const_isRep*2)(DI)(R12*2))
	JCC  again
	ZERO((const_isRep*2)(DI)(R12*2))
	MOVL work_rep2(R14), CX
	MOVL CX, work_rep3(R14)
	MOVL work_rep1(R14), CX
	MOVL CX, work_rep2(R14)
	MOVL work_rep0(R14), CX
	MOVL CX, work_rep1(R14)
	MOVL $7, CX
	MOVL $10, DX
	CMPL R12, $const_firstNonLit
	CMOVLCC DX, CX
	MOVL CX, R12
	LEAQ (const_matchLen*2)(DI), R8
	JMP  length

again:
	ONE((const_isRep*2)(DI)(R12*2))
	ASK((const_isRep0*2)(DI)(R12*2))
	JCC  notRep0
	ZERO((const_isRep0*2)(DI)(R12*2))
	ASK((const_isRep0Long*2)(DI)(R8*2))
	JCC  rep0Long
	ZERO((const_isRep0Long*2)(DI)(R8*2))

	// One byte from where the last match was.
	MOVL work_rep0(R14), R13
	CMPQ R13, R11
	JCC  damaged
	CMPL R13, work_size(R14)
	JCC  damaged
	MOVQ R11, DX
	SUBQ R13, DX
	MOVBLZX -1(R10)(DX*1), DX
	MOVB DX, (R10)(R11*1)
	INCQ R11
	MOVL $9, CX
	MOVL $11, DX
	CMPL R12, $const_firstNonLit
	CMOVLCC DX, CX
	MOVL CX, R12
	JMP  symbol

rep0Long:
	ONE((const_isRep0Long*2)(DI)(R8*2))
	JMP  repeated

notRep0:
	ONE((const_isRep0*2)(DI)(R12*2))
	MOVL work_rep0(R14), CX
	ASK((const_isRep1*2)(DI)(R12*2))
	JCC  notRep1
	ZERO((const_isRep1*2)(DI)(R12*2))
	MOVL work_rep1(R14), DX
	JMP  swapped

notRep1:
	ONE((const_isRep1*2)(DI)(R12*2))
	ASK((const_isRep2*2)(DI)(R12*2))
	JCC  notRep2
	ZERO((const_isRep2*2)(DI)(R12*2))
	MOVL work_rep2(R14), DX
	JMP  turned

notRep2:
	ONE((const_isRep2*2)(DI)(R12*2))
	MOVL work_rep3(R14), DX
	MOVL work_rep2(R14), R13
	MOVL R13, work_rep3(R14)

turned:
	MOVL work_rep1(R14), R13
	MOVL R13, work_rep2(R14)

swapped:
	MOVL CX, work_rep1(R14)
	MOVL DX, work_rep0(R14)

repeated:
	MOVL $8, CX
	MOVL $11, DX
	CMPL R12, $const_firstNonLit
	CMOVLCC DX, CX
	MOVL CX, R12
	LEAQ (const_repLen*2)(DI), R8

	// How long: R8 is where the probabilities of lengths are, R15 is posState.
length:
	SHLL $4, R15
	ASK((const_lenChoice*2)(R8))
	JCC  longer
	ZERO((const_lenChoice*2)(R8))
	LEAQ (const_lenLow*2)(R8)(R15*1), R8
	BITS3
	ADDL $(const_minMatch-8), CX
	JMP  far

longer:
	ONE((const_lenChoice*2)(R8))
	ASK((const_lenChoice2*2)(R8))
	JCC  longest
	ZERO((const_lenChoice2*2)(R8))
	LEAQ (const_lenMid*2)(R8)(R15*1), R8
	BITS3
	ADDL $const_minMatch, CX
	JMP  far

longest:
	ONE((const_lenChoice2*2)(R8))
	ADDQ $(const_lenHigh*2), R8
	BITS8
	ADDL $(const_minMatch+16-256), CX

	// How far: only a match that repeats none has a distance of its own, and 7 and
	// 10 are the states after one.
far:
	MOVQ w+0(FP), R14
	CMPL R12, $7
	JEQ  distance
	CMPL R12, $10
	JEQ  distance
	MOVL work_rep0(R14), R13
	JMP  copy

distance:
	MOVL CX, work_length(R14)
	LEAL -const_minMatch(CX), R8
	MOVL $3, DX
	CMPL R8, $3
	CMOVLHI DX, R8
	SHLL $7, R8
	LEAQ (const_distSlot*2)(DI)(R8*1), R8
	FIRST
	BIT
	BIT
	BIT
	BIT
	BIT
	LAST
	SUBL $64, CX
	MOVL CX, R15
	CMPL CX, $4
	JCS  found
	MOVL CX, R9
	MOVL CX, R14
	SHRL $1, R14
	DECL R14           // bits to come
	ANDL $1, R15
	ORL  $2, R15
	CMPL R9, $const_slotsModelled
	JCC  direct
	MOVL R14, CX
	SHLL CX, R15
	MOVL R15, R8
	SUBL R9, R8
	LEAQ (const_distSpecial*2-2)(DI)(R8*2), R8
	JMP  reversed

direct:
	SUBL $4, R14

	// Bits of even odds. Which it is the sign tells, as in lzma.go.
even:
	NORMALISE(R13)
	SHRL $1, AX
	MOVL BX, R13
	SUBL AX, BX
	MOVL BX, DX
	CMOVLMI R13, BX
	SARL $31, DX
	LEAL 1(DX)(R15*2), R15
	DECL R14
	JNE  even
	SHLL $4, R15
	MOVQ R11, DX // what it is will take a while to come, and is known but for 16 bytes
	SUBQ R15, DX
	PREFETCHT0 -1(R10)(DX*1)
	MOVL $4, R14
	LEAQ (const_distAlign*2-2)(DI), R8

	// The lowest bits, the lowest first: R14 of them are added to R15.
reversed:
	MOVL $1, CX
	MOVL $1, BP

bit:
	MOVWLZX (R8)(CX*2), R9
	NORMALISE(R13)
	BOUND
	CHOOSE(R13)
	SBBL R13, R13
	ADAPT((R8)(CX*2), DX)
	LEAL 1(R13)(CX*2), CX
	NOTL R13
	ANDL BP, R13
	ADDL R13, R15
	ADDL BP, BP
	DECL R14
	JNE  bit

found:
	MOVQ w+0(FP), R14
	MOVL R15, work_rep0(R14)
	MOVL R15, R13
	MOVL work_length(R14), CX

	// Copy CX bytes from R13+1 before. Steps of 16 may write as many more but one.
copy:
	CMPQ R13, R11
	JCC  damaged
	CMPL R13, work_size(R14)
	JCC  damaged
	LEAQ (R10)(R11*1), R9
	LEAQ (R11)(CX*1), DX
	CMPQ DX, work_end(R14)
	JGT  damaged
	MOVQ DX, R11
	MOVQ R9, R8
	SUBQ R13, R8
	DECQ R8
	CMPL R13, $15
	JCS  near

step:
	MOVOU (R8), X0
	MOVOU X0, (R9)
	ADDQ $16, R8
	ADDQ $16, R9
	SUBL $16, CX
	JHI  step
	JMP  symbol

	// What repeats is shorter than a step: byte by byte until it has been written
	// so often that a multiple of it, 16 or more before, is the same.
near:
	LEAQ more<>(SB), DX
	MOVBLZX (DX)(R13*1), DX
	MOVL DX, R15

one:
	MOVBLZX (R8), R13
	MOVB R13, (R9)
	INCQ R8
	INCQ R9
	DECL CX
	JEQ  symbol
	DECL DX
	JNE  one
	SUBQ R15, R8
	JMP  step

done:
	MOVB $1, ret+8(FP)
	JMP  leave

damaged:
	MOVB $0, ret+8(FP)

leave:
	MOVL AX, work_rng(R14)
	MOVL BX, work_code(R14)
	SUBQ work_in(R14), SI
	MOVQ SI, work_at(R14)
	MOVQ R11, work_pos(R14)
	MOVL R12, work_state(R14)
	RET

// By distance, less one: how many bytes more make a multiple of it that is 16 or more.
DATA more<>+0(SB)/8, $0x080e0c0f0c0f0e0f
DATA more<>+8(SB)/8, $0x000f0e0d0c0b0a09
GLOBL more<>(SB), RODATA|NOPTR, $16
