//go:build !purego

#include "textflag.h"

// FOLD multiplies a lane by x^D, in two halves, and adds the next bytes to it.
#define FOLD(lane, next) \
	MOVOU lane, X6; \
	PCLMULQDQ $0x00, X5, lane; \
	PCLMULQDQ $0x11, X5, X6; \
	PXOR X6, lane; \
	PXOR next, lane

// func fold64(state uint64, p *byte, n int) (first, second uint64)
TEXT ·fold64(SB), NOSPLIT, $0-40
	MOVQ state+0(FP), X0
	MOVQ p+8(FP), SI
	MOVQ n+16(FP), CX
	MOVOU (SI), X1
	MOVOU 16(SI), X2
	MOVOU 32(SI), X3
	MOVOU 48(SI), X4
	PXOR X0, X1
	MOVOU by512<>(SB), X5

more:
	ADDQ $64, SI
	SUBQ $64, CX
	JEQ  lanes
	MOVOU (SI), X7
	FOLD(X1, X7)
	MOVOU 16(SI), X7
	FOLD(X2, X7)
	MOVOU 32(SI), X7
	FOLD(X3, X7)
	MOVOU 48(SI), X7
	FOLD(X4, X7)
	JMP  more

lanes:
	MOVOU by128<>(SB), X5
	FOLD(X1, X2)
	FOLD(X1, X3)
	FOLD(X1, X4)
	MOVQ X1, first+24(FP)
	PSRLDQ $8, X1
	MOVQ X1, second+32(FP)
	RET

// x^(D+63) and x^(D-1) modulo the polynomial, bits reversed.
DATA by512<>+0(SB)/8, $0x6ae3efbb9dd441f3
DATA by512<>+8(SB)/8, $0x081f6054a7842df4
GLOBL by512<>(SB), RODATA|NOPTR, $16

DATA by128<>+0(SB)/8, $0xe05dd497ca393ae4
DATA by128<>+8(SB)/8, $0xdabe95afc7875f40
GLOBL by128<>(SB), RODATA|NOPTR, $16
