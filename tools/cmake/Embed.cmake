# SPDX-License-Identifier: Apache-2.0
# cmake -DFROM=FILE -DTO=FILE.inc -P Embed.cmake: a file's bytes as numbers between commas.
file(READ "${FROM}" bytes HEX)
string(REGEX REPLACE "(..)" "0x\\1," numbers "${bytes}")
string(REGEX REPLACE "((0x..,)(0x..,)(0x..,)(0x..,)(0x..,)(0x..,)(0x..,)(0x..,))" "\\1\n" numbers "${numbers}")
file(WRITE "${TO}" "${numbers}")
