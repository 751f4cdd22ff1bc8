# SPDX-License-Identifier: Apache-2.0
# Finds a CUDA toolkit, for tests only: nothing that Farlane ships is built with one.
# Sets FARLANE_NVCC_WORKS (it compiled a kernel here) or FARLANE_NVCC_REASON (why not), and
# FARLANE_NVCC, FARLANE_CUDA_INCLUDE, FARLANE_CUDA_LIBRARIES, FARLANE_CUDA_STUB, FARLANE_NVRTC.
find_program(FARLANE_NVCC NAMES nvcc HINTS "$ENV{CUDA_HOME}/bin" PATHS /usr/local/cuda/bin)

if(NOT FARLANE_NVCC)
  set(FARLANE_NVCC_REASON "no nvcc was found (CUDA_HOME, PATH, /usr/local/cuda)")
  set(FARLANE_NVCC_WORKS OFF)
elseif(NOT DEFINED FARLANE_NVCC_WORKS OR NOT FARLANE_NVCC_TRIED STREQUAL FARLANE_NVCC)
  set(probe "${CMAKE_BINARY_DIR}/nvcc-probe")
  file(WRITE "${probe}/probe.cu" "__global__ void Kernel() {}\nint main() { Kernel<<<1, 1>>>(); }\n")
  execute_process(
    COMMAND "${FARLANE_NVCC}" -std=c++17 -o "${probe}/probe" "${probe}/probe.cu"
    RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output TIMEOUT 120)
  if(result EQUAL 0)
    set(works ON)
  else()
    set(works OFF)
    string(STRIP "${output}" output)
    message(WARNING "${FARLANE_NVCC} does not compile here:\n${output}")
  endif()
  set(FARLANE_NVCC_WORKS ${works} CACHE INTERNAL "")
  set(FARLANE_NVCC_TRIED "${FARLANE_NVCC}" CACHE INTERNAL "")
endif()
if(FARLANE_NVCC AND NOT FARLANE_NVCC_WORKS)
  set(FARLANE_NVCC_REASON "${FARLANE_NVCC} does not compile a kernel here")
endif()

if(FARLANE_NVCC_WORKS)
  get_filename_component(cuda_root "${FARLANE_NVCC}" REALPATH)
  get_filename_component(cuda_root "${cuda_root}" DIRECTORY)
  get_filename_component(cuda_root "${cuda_root}" DIRECTORY)
  set(cuda_target "${cuda_root}/targets/${CMAKE_SYSTEM_PROCESSOR}-linux")
  find_path(FARLANE_CUDA_INCLUDE NAMES cuda.h
            HINTS "${cuda_root}/include" "${cuda_target}/include" NO_CMAKE_SYSTEM_PATH)
  find_path(FARLANE_CUDA_LIBRARIES NAMES libcudart.so
            HINTS "${cuda_root}/lib64" "${cuda_root}/lib" "${cuda_target}/lib"
                  "/usr/lib/${CMAKE_LIBRARY_ARCHITECTURE}")
  # The toolkit's stand-in for the driver, to link with; at run time LD_LIBRARY_PATH decides.
  find_library(FARLANE_CUDA_STUB NAMES cuda
               PATHS "${cuda_root}/lib64/stubs" "${cuda_root}/lib/stubs" "${cuda_target}/lib/stubs"
                     "/usr/lib/${CMAKE_LIBRARY_ARCHITECTURE}/stubs"
               NO_DEFAULT_PATH)
  find_library(FARLANE_NVRTC NAMES nvrtc
               HINTS "${cuda_root}/lib64" "${cuda_root}/lib" "${cuda_target}/lib"
                     "/usr/lib/${CMAKE_LIBRARY_ARCHITECTURE}")
  message(STATUS "CUDA toolkit for the tests: ${cuda_root}")
else()
  message(STATUS "CUDA programs are not tested: ${FARLANE_NVCC_REASON}")
endif()
