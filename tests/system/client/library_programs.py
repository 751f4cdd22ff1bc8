# SPDX-License-Identifier: Apache-2.0
"""Programs that use NVIDIA's libraries through ctypes, on every device that they see; the last thing that each of them
says is "done"."""

_HEAD = """
import ctypes, sys
from ctypes import byref, c_char_p, c_double, c_float, c_int, c_int64, c_size_t, c_ulonglong, c_void_p
cudart = ctypes.CDLL("libcudart.so")
def ok(what, result):
    if result != 0:
        sys.exit(f"{what}: {result}")
def allocate(size):
    memory = c_void_p()
    ok("cudaMalloc", cudart.cudaMalloc(byref(memory), c_size_t(size)))
    return memory
def wait():
    ok("cudaDeviceSynchronize", cudart.cudaDeviceSynchronize())
one, none = c_float(1), c_float(0)
count = c_int()
ok("cudaGetDeviceCount", cudart.cudaGetDeviceCount(byref(count)))
"""

_TAIL = """
for device in range(count.value):
    ok("cudaSetDevice", cudart.cudaSetDevice(device))
    use(device)
    wait()
print("done")
"""


def _program(use):
    return _HEAD + use + _TAIL


# By the library that they are about.
ON_EACH_DEVICE = {
    "libcublas.so": _program("""
blas = ctypes.CDLL("libcublas.so")
def use(device):
    handle, memory, n = c_void_p(), allocate(1 << 20), 256
    ok("Create", blas.cublasCreate_v2(byref(handle)))
    for ways in ((0, 0), (1, 0), (0, 1)):
        ok("Sgemm", blas.cublasSgemm_v2(handle, *ways, n, n, n, byref(one), memory, n, memory, n, byref(none), memory, n))
    ok("Saxpy", blas.cublasSaxpy_v2(handle, 1000, byref(one), memory, 1, memory, 1))
    dot = c_float()
    ok("Sdot", blas.cublasSdot_v2(handle, 1000, memory, 1, memory, 1, byref(dot)))
    ok("Sgemv", blas.cublasSgemv_v2(handle, 0, n, n, byref(one), memory, n, memory, 1, byref(none), memory, 1))
    half, compute = 2, 68
    ok("GemmEx", blas.cublasGemmEx(handle, 0, 1, n, n, n, byref(one), memory, half, n, memory, half, n, byref(none),
                                   memory, half, n, compute, -1))
    ok("Destroy", blas.cublasDestroy_v2(handle))
"""),
    "libcublasLt.so": _program("""
lt = ctypes.CDLL("libcublasLt.so")
def use(device):
    handle, product, n = c_void_p(), c_void_p(), 512
    real, compute = 0, 68
    ok("Create", lt.cublasLtCreate(byref(handle)))
    ok("MatmulDesc", lt.cublasLtMatmulDescCreate(byref(product), compute, real))
    layouts = [c_void_p() for _ in range(3)]
    for layout in layouts:
        ok("Layout", lt.cublasLtMatrixLayoutCreate(byref(layout), real, c_ulonglong(n), c_ulonglong(n), c_int64(n)))
    a, b, c = layouts
    memory = allocate(n * n * 4)
    ok("Matmul", lt.cublasLtMatmul(handle, product, byref(one), memory, a, memory, b, byref(none), memory, c, memory, c,
                                   None, None, c_size_t(0), None))
    ok("Destroy", lt.cublasLtDestroy(handle))
"""),
    "libcufft.so": _program("""
fft = ctypes.CDLL("libcufft.so")
def use(device):
    memory = allocate(1 << 20)
    complex_to_complex, real_to_complex, forward = 0x29, 0x2a, -1
    for length in (16, 100, 127, 1024, 65536):
        plan = c_int()
        ok("Plan1d", fft.cufftPlan1d(byref(plan), length, complex_to_complex, 1))
        ok("ExecC2C", fft.cufftExecC2C(plan, memory, memory, forward))
        ok("Destroy", fft.cufftDestroy(plan))
    ok("Plan2d", fft.cufftPlan2d(byref(plan), 130, 127, real_to_complex))
    ok("ExecR2C", fft.cufftExecR2C(plan, memory, memory))
"""),
    "libcurand.so": _program("""
rand = ctypes.CDLL("libcurand.so")
def use(device):
    memory = allocate(1 << 20)
    for kind in (100, 121, 141, 161, 201):  # XORWOW, MRG32K3A, MTGP32, PHILOX, SOBOL32
        generator = c_void_p()
        ok("Create", rand.curandCreateGenerator(byref(generator), kind))
        if kind < 200:
            ok("Seed", rand.curandSetPseudoRandomGeneratorSeed(generator, c_ulonglong(1)))
        ok("Uniform", rand.curandGenerateUniform(generator, memory, c_size_t(1000)))
        ok("Normal", rand.curandGenerateNormal(generator, memory, c_size_t(1000), c_float(0), c_float(1)))
        ok("Destroy", rand.curandDestroyGenerator(generator))
"""),
    "libcusolver.so": _program("""
solver = ctypes.CDLL("libcusolver.so")
def use(device):
    handle, n, lower = c_void_p(), 64, 0
    memory, places = allocate(1 << 20), allocate(4096)
    ok("Create", solver.cusolverDnCreate(byref(handle)))
    size = c_int()
    ok("LU needs", solver.cusolverDnSgetrf_bufferSize(handle, n, n, memory, n, byref(size)))
    ok("LU", solver.cusolverDnSgetrf(handle, n, n, memory, n, allocate(size.value * 4 + 16), places, places))
    ok("Cholesky needs", solver.cusolverDnSpotrf_bufferSize(handle, lower, n, memory, n, byref(size)))
    ok("Cholesky", solver.cusolverDnSpotrf(handle, lower, n, memory, n, allocate(size.value * 4 + 16), size, places))
    ok("Destroy", solver.cusolverDnDestroy(handle))
"""),
    "libcusparse.so": _program("""
sparse = ctypes.CDLL("libcusparse.so")
def use(device):
    handle, matrix, x, y, n = c_void_p(), c_void_p(), c_void_p(), c_void_p(), c_int64(10)
    memory, indices = allocate(1 << 20), allocate(4096)
    index, from_zero, real, plain, default = 2, 0, 0, 0, 0
    ok("Create", sparse.cusparseCreate(byref(handle)))
    ok("Csr", sparse.cusparseCreateCsr(byref(matrix), n, n, n, indices, indices, memory, index, index, from_zero, real))
    ok("x", sparse.cusparseCreateDnVec(byref(x), n, memory, real))
    ok("y", sparse.cusparseCreateDnVec(byref(y), n, c_void_p(memory.value + 4096), real))
    size = c_size_t()
    ok("SpMV needs", sparse.cusparseSpMV_bufferSize(handle, plain, byref(one), matrix, x, byref(none), y, real, default,
                                                    byref(size)))
    ok("SpMV", sparse.cusparseSpMV(handle, plain, byref(one), matrix, x, byref(none), y, real, default,
                                   allocate(size.value + 16)))
    ok("Destroy", sparse.cusparseDestroy(handle))
"""),
    "libcudnn.so": _program("""
nn = ctypes.CDLL("libcudnn.so")
def use(device):
    handle, x, y, filters, convolution = (c_void_p() for _ in range(5))
    real, nchw, correlation, implicit_gemm = 0, 0, 1, 1
    ok("Create", nn.cudnnCreate(byref(handle)))
    ok("x", nn.cudnnCreateTensorDescriptor(byref(x)))
    ok("y", nn.cudnnCreateTensorDescriptor(byref(y)))
    ok("Filter", nn.cudnnCreateFilterDescriptor(byref(filters)))
    ok("Convolution", nn.cudnnCreateConvolutionDescriptor(byref(convolution)))
    ok("SetX", nn.cudnnSetTensor4dDescriptor(x, nchw, real, 1, 16, 32, 32))
    ok("SetY", nn.cudnnSetTensor4dDescriptor(y, nchw, real, 1, 32, 32, 32))
    ok("SetFilter", nn.cudnnSetFilter4dDescriptor(filters, real, nchw, 32, 16, 3, 3))
    ok("SetConvolution", nn.cudnnSetConvolution2dDescriptor(convolution, 1, 1, 1, 1, 1, 1, correlation, real))
    memory, size = [allocate(1 << 20) for _ in range(3)], c_size_t()
    ok("Needs", nn.cudnnGetConvolutionForwardWorkspaceSize(handle, x, filters, convolution, y, implicit_gemm, byref(size)))
    ok("Forward", nn.cudnnConvolutionForward(handle, byref(one), x, memory[0], filters, memory[1], convolution,
                                             implicit_gemm, allocate(size.value + 16), size, byref(none), y, memory[2]))
    ok("Softmax", nn.cudnnSoftmaxForward(handle, 1, 1, byref(one), y, memory[2], byref(none), y, memory[2]))
    wait()
    ok("Destroy", nn.cudnnDestroy(handle))
"""),
    "libnvrtc.so": _program("""
rtc, cuda = ctypes.CDLL("libnvrtc.so"), ctypes.CDLL("libcuda.so.1")
SOURCE = b'extern "C" __global__ void Add(int* to, int more) { to[threadIdx.x] += more; }'
def use(device):
    program, size, module, kernel = c_void_p(), c_size_t(), c_void_p(), c_void_p()
    memory = allocate(4096)
    ok("CreateProgram", rtc.nvrtcCreateProgram(byref(program), SOURCE, b"add.cu", 0, None, None))
    for option, get_size, get in ((b"-arch=compute_80", rtc.nvrtcGetPTXSize, rtc.nvrtcGetPTX),
                                  (b"-arch=sm_80", rtc.nvrtcGetCUBINSize, rtc.nvrtcGetCUBIN)):
        ok("Compile", rtc.nvrtcCompileProgram(program, 1, (c_char_p * 1)(option)))
        ok("Size", get_size(program, byref(size)))
        image = ctypes.create_string_buffer(size.value)
        ok("Get", get(program, image))
        ok("Load", cuda.cuModuleLoadData(byref(module), image))
        ok("Function", cuda.cuModuleGetFunction(byref(kernel), module, b"Add"))
        more = c_int(3)
        parameters = (c_void_p * 2)(ctypes.addressof(memory), ctypes.addressof(more))
        ok("Launch", cuda.cuLaunchKernel(kernel, 1, 1, 1, 32, 1, 1, 0, None, parameters, None))
        wait()
        ok("Unload", cuda.cuModuleUnload(module))
"""),
}
