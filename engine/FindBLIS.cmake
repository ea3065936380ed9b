# SPDX-License-Identifier: MIT
# Finds BLIS, which brings neither a .pc nor a CMake file. Defines BLIS::BLIS, BLIS_FOUND and
# BLIS_LIBRARIES (the library and what it needs, as linker arguments).
#
# BLIS_USE_STATIC_LIBS ON takes libblis.a where there is one. It has functions that libblis.so hides,
# among them the one that lets a caller choose the kernels.
#
# Debian installs one directory a threading model. The serial one comes first: it is the one without
# libgomp, and the quickest for callers that bring their own threads.

set(_blis_variants blis-serial blis-pthread blis-openmp blis)
find_path(BLIS_INCLUDE_DIR blis.h PATH_SUFFIXES ${_blis_variants})
if(BLIS_USE_STATIC_LIBS)
  set(_blis_names libblis.a blis)
else()
  set(_blis_names blis)
endif()
find_library(BLIS_LIBRARY NAMES ${_blis_names} NAMES_PER_DIR PATH_SUFFIXES ${_blis_variants})
mark_as_advanced(BLIS_INCLUDE_DIR BLIS_LIBRARY)

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(BLIS REQUIRED_VARS BLIS_LIBRARY BLIS_INCLUDE_DIR
  REASON_FAILURE_MESSAGE "Debian has it in libblis-serial-dev.")

if(BLIS_FOUND)
  set(BLIS_LIBRARIES ${BLIS_LIBRARY})
  if(BLIS_LIBRARY MATCHES "\\.a$")
    # blis.h starts with the configuration it was built in.
    file(READ ${BLIS_INCLUDE_DIR}/blis.h _blis_config LIMIT 16384)
    if(_blis_config MATCHES "#if 1\n#define BLIS_ENABLE_OPENMP")
      list(APPEND BLIS_LIBRARIES -lgomp)
    endif()
    list(APPEND BLIS_LIBRARIES -lpthread -lm)
    unset(_blis_config)
  elseif(BLIS_USE_STATIC_LIBS AND NOT BLIS_FIND_QUIETLY)
    message(WARNING "No libblis.a beside ${BLIS_LIBRARY}: on processors newer than this BLIS it will "
                    "run generic kernels, several times slower than it could.")
  endif()
  if(NOT TARGET BLIS::BLIS)
    add_library(BLIS::BLIS INTERFACE IMPORTED)
    set_target_properties(BLIS::BLIS PROPERTIES
      INTERFACE_INCLUDE_DIRECTORIES "${BLIS_INCLUDE_DIR}"
      INTERFACE_LINK_LIBRARIES "${BLIS_LIBRARIES}")
  endif()
endif()
unset(_blis_variants)
unset(_blis_names)
