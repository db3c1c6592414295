# The programs are for the machine that they are built for; named as libbpf's headers name it.
string(REGEX REPLACE "^x86_64$" "x86" bpf_target_arch ${CMAKE_SYSTEM_PROCESSOR})
string(REGEX REPLACE "^aarch64$" "arm64" bpf_target_arch ${bpf_target_arch})

# weft_bpf_skeleton(TARGET FILE.bpf.c): compiles one BPF object and makes FILE.skel.h visible to TARGET.
find_program(BPFTOOL NAMES bpftool PATHS /usr/sbin /sbin REQUIRED)

function(weft_bpf_skeleton target source)
  get_filename_component(name ${source} NAME)
  string(REPLACE ".bpf.c" "" name ${name})
  set(out ${CMAKE_BINARY_DIR}/bpf)
  file(MAKE_DIRECTORY ${out})
  add_custom_command(
    OUTPUT ${out}/${name}.bpf.o
    COMMAND ${CMAKE_CXX_COMPILER_BPF} -target bpf -mcpu=v3 -O2 -g -Wall -Wextra -Werror -Wno-missing-field-initializers
            -D__TARGET_ARCH_${bpf_target_arch} -I${CMAKE_SOURCE_DIR}/src -I/usr/include/${CMAKE_LIBRARY_ARCHITECTURE} -MMD -MF ${out}/${name}.d
            -c ${CMAKE_CURRENT_SOURCE_DIR}/${source} -o ${out}/${name}.bpf.o
    DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${source}
    DEPFILE ${out}/${name}.d
    COMMENT "BPF ${name}")
  add_custom_command(
    OUTPUT ${out}/${name}.skel.h
    COMMAND ${BPFTOOL} gen skeleton ${out}/${name}.bpf.o name ${name}_bpf > ${out}/${name}.skel.h
    DEPENDS ${out}/${name}.bpf.o
    COMMENT "skeleton ${name}")
  add_custom_target(${target}_${name}_skeleton DEPENDS ${out}/${name}.skel.h)
  add_dependencies(${target} ${target}_${name}_skeleton)
  target_include_directories(${target} SYSTEM PUBLIC ${out})
endfunction()

set(CMAKE_CXX_COMPILER_BPF clang-19)
