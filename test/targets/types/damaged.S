# Debug information that is damaged on purpose: types that contain themselves, references to themselves.
	.text
	.globl main
main:	xorl %eax, %eax
	ret
	.data
	.globl value
value:	.quad 7
	.section .debug_abbrev,"",@progbits
	.uleb128 1; .uleb128 0x11; .byte 1		# compile_unit: name
	.uleb128 0x03; .uleb128 0x08; .uleb128 0; .uleb128 0
	.uleb128 2; .uleb128 0x16; .byte 0		# typedef: name, type
	.uleb128 0x03; .uleb128 0x08; .uleb128 0x49; .uleb128 0x13; .uleb128 0; .uleb128 0
	.uleb128 3; .uleb128 0x26; .byte 0		# const: type
	.uleb128 0x49; .uleb128 0x13; .uleb128 0; .uleb128 0
	.uleb128 4; .uleb128 0x0f; .byte 0		# pointer: type
	.uleb128 0x49; .uleb128 0x13; .uleb128 0; .uleb128 0
	.uleb128 5; .uleb128 0x13; .byte 1		# struct: name, size, with children
	.uleb128 0x03; .uleb128 0x08; .uleb128 0x0b; .uleb128 0x0b; .uleb128 0; .uleb128 0
	.uleb128 6; .uleb128 0x0d; .byte 0		# member: name, type, location
	.uleb128 0x03; .uleb128 0x08; .uleb128 0x49; .uleb128 0x13; .uleb128 0x38; .uleb128 0x0b; .uleb128 0; .uleb128 0
	.uleb128 7; .uleb128 0x01; .byte 1		# array: type, with children
	.uleb128 0x49; .uleb128 0x13; .uleb128 0; .uleb128 0
	.uleb128 8; .uleb128 0x21; .byte 0		# subrange: count
	.uleb128 0x37; .uleb128 0x07; .uleb128 0; .uleb128 0
	.uleb128 9; .uleb128 0x2e; .byte 0		# subprogram: abstract origin
	.uleb128 0x31; .uleb128 0x13; .uleb128 0; .uleb128 0
	.uleb128 10; .uleb128 0x34; .byte 0		# variable: name, type, external, location
	.uleb128 0x03; .uleb128 0x08; .uleb128 0x49; .uleb128 0x13; .uleb128 0x3f; .uleb128 0x19; .uleb128 0x02; .uleb128 0x18; .uleb128 0; .uleb128 0
	.uleb128 11; .uleb128 0x15; .byte 1		# function type: type, with children
	.uleb128 0x49; .uleb128 0x13; .uleb128 0; .uleb128 0
	.uleb128 12; .uleb128 0x05; .byte 0		# parameter: type
	.uleb128 0x49; .uleb128 0x13; .uleb128 0; .uleb128 0
	.uleb128 13; .uleb128 0x24; .byte 0		# base type: name, encoding, size (4 bytes)
	.uleb128 0x03; .uleb128 0x08; .uleb128 0x3e; .uleb128 0x0b; .uleb128 0x0b; .uleb128 0x06; .uleb128 0; .uleb128 0
	.uleb128 14; .uleb128 0x13; .byte 0		# struct: name, declaration
	.uleb128 0x03; .uleb128 0x08; .uleb128 0x3c; .uleb128 0x19; .uleb128 0; .uleb128 0
	.uleb128 15; .uleb128 0x16; .byte 0		# typedef: name, type, sibling
	.uleb128 0x03; .uleb128 0x08; .uleb128 0x49; .uleb128 0x13; .uleb128 0x01; .uleb128 0x13; .uleb128 0; .uleb128 0
	.byte 0
	.macro variable name, type
	.uleb128 10
	.asciz "\name"
	.long \type - unit
	.byte 9, 3
	.quad value
	.endm
	.section .debug_info,"",@progbits
unit:	.long unit_end - unit_start
unit_start:
	.short 4
	.long 0
	.byte 8
	.uleb128 1
	.asciz "hostile.c"
own_typedef:
	.uleb128 2
	.asciz "own_typedef"
	.long own_typedef - unit
first_const:
	.uleb128 3
	.long second_const - unit
second_const:
	.uleb128 3
	.long first_const - unit
own_pointer:
	.uleb128 4
	.long own_pointer - unit
own_struct:
	.uleb128 5
	.asciz "own_struct"
	.byte 8
	.uleb128 6
	.asciz "inner"
	.long own_struct - unit
	.byte 0
	.byte 0
left:	.uleb128 5
	.asciz "left"
	.byte 8
	.uleb128 6
	.asciz "r"
	.long right_alias - unit
	.byte 0
	.byte 0
right:	.uleb128 5
	.asciz "right"
	.byte 8
	.uleb128 6
	.asciz "l"
	.long many_left - unit
	.byte 0
	.byte 0
right_alias:
	.uleb128 2
	.asciz "right_alias"
	.long right - unit
many_left:
	.uleb128 7
	.long left - unit
	.uleb128 8
	.quad -2
	.byte 0
own_array:
	.uleb128 7
	.long own_array - unit
	.uleb128 8
	.quad 2
	.byte 0
own_origin:
	.uleb128 9
	.long own_origin - unit
own_function:
	.uleb128 11
	.long own_function - unit
	.uleb128 12
	.long own_function - unit
	.byte 0
huge:	.uleb128 13
	.asciz "huge"
	.byte 5
	.long 0x7fffffff
outer_declared:
	.uleb128 14
	.asciz "outer"
inner:	.uleb128 5
	.asciz "inner"
	.byte 8
	.uleb128 6
	.asciz "o"
	.long outer_declared - unit
	.byte 0
	.byte 0
	.uleb128 5
	.asciz "outer"
	.byte 8
	.uleb128 6
	.asciz "i"
	.long inner - unit
	.byte 0
	.byte 0
nowhere:
	.uleb128 4
	.long 0x7ffffff0
	variable v_typedef, own_typedef
	variable v_const, first_const
	variable v_pointer, own_pointer
	variable v_struct, own_struct
	variable v_left, left
	variable v_array, own_array
	variable v_function, own_function
	variable v_huge, huge
	variable v_inner, inner
	variable v_nowhere, nowhere
	variable v_itself, v_self
v_self:	.uleb128 15
	.asciz "backwards"
	.long own_typedef - unit
	.long own_typedef - unit
	.byte 0
unit_end:
	.section .note.GNU-stack,"",@progbits
