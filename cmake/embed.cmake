# weft_embed(TARGET FILE…): the files' bytes become arrays in embedded.h, each named after its file (app.js: app_js).
# Run as a script (-P) it writes that header: OUT, FILES.
if(CMAKE_SCRIPT_MODE_FILE)
  set(text "#pragma once\n\n")
  foreach(file ${FILES})
    get_filename_component(name ${file} NAME)
    string(MAKE_C_IDENTIFIER ${name} name)
    file(READ ${file} bytes HEX)
    string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${bytes}")
    string(APPEND text "inline constexpr unsigned char ${name}[] = {${bytes}};\n")
  endforeach()
  file(WRITE ${OUT} "${text}")
  return()
endif()

function(weft_embed target)
  set(out ${CMAKE_BINARY_DIR}/embedded/${target})
  list(TRANSFORM ARGN PREPEND ${CMAKE_SOURCE_DIR}/)
  add_custom_command(
    OUTPUT ${out}/embedded.h
    COMMAND ${CMAKE_COMMAND} -DOUT=${out}/embedded.h "-DFILES=${ARGN}" -P ${CMAKE_SOURCE_DIR}/cmake/embed.cmake
    DEPENDS ${ARGN} ${CMAKE_SOURCE_DIR}/cmake/embed.cmake
    COMMENT "files in ${target}"
    VERBATIM)
  add_custom_target(${target}_embedded DEPENDS ${out}/embedded.h)
  add_dependencies(${target} ${target}_embedded)
  target_include_directories(${target} PRIVATE ${out})
endfunction()
