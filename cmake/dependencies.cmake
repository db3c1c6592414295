find_package(PkgConfig REQUIRED)
find_package(OpenSSL 3 REQUIRED)
find_package(Threads REQUIRED)
find_package(fmt REQUIRED)
find_package(spdlog REQUIRED)
find_package(yaml-cpp REQUIRED)
find_package(SQLite3 REQUIRED)
find_package(GTest REQUIRED)
find_package(prometheus-cpp CONFIG REQUIRED COMPONENTS core)
pkg_check_modules(nl_route REQUIRED IMPORTED_TARGET libnl-route-3.0)
pkg_check_modules(libbpf REQUIRED IMPORTED_TARGET libbpf)
pkg_check_modules(libnghttp2 REQUIRED IMPORTED_TARGET libnghttp2)
find_package(ZLIB REQUIRED)
pkg_check_modules(re2 REQUIRED IMPORTED_TARGET re2)

add_library(bpf ALIAS PkgConfig::libbpf)
add_library(sqlite3 ALIAS SQLite::SQLite3)

# Boost.JSON, Asio and Beast are compiled once, here, and not again in each file that includes them.
add_library(boost_json STATIC ${CMAKE_SOURCE_DIR}/cmake/boost_json.cpp)
target_compile_definitions(boost_json PUBLIC BOOST_JSON_NO_LIB BOOST_CONTAINER_NO_LIB
                                             BOOST_ALL_NO_LIB)
target_link_libraries(boost_json PUBLIC boost_container)

add_library(boost_beast STATIC ${CMAKE_SOURCE_DIR}/cmake/boost_beast.cpp)
target_compile_definitions(boost_beast PUBLIC BOOST_ASIO_SEPARATE_COMPILATION BOOST_BEAST_SEPARATE_COMPILATION
                                              BOOST_ASIO_NO_DEPRECATED BOOST_BEAST_USE_STD_STRING_VIEW BOOST_ALL_NO_LIB)
target_link_libraries(boost_beast PUBLIC OpenSSL::SSL OpenSSL::Crypto Threads::Threads)
