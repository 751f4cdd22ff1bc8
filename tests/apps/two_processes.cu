// SPDX-License-Identifier: Apache-2.0
// Two processes with the same memory: the program starts itself again, passes a buffer, an event
// and a memory pool on, and the two take turns on them. Each goes by the other's events only; what
// goes over the socket between them says no more than what there is.
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/apps/cuda_call.h"
#include "tests/apps/seeded_random.h"
#include "tests/apps/verdict.h"

extern char** environ;

namespace {

constexpr size_t kCount = 1 << 18;
constexpr int kSocket = 3;  // of the child
constexpr int kRounds = 4;
constexpr unsigned kError = apps::kMutate ? 1 : 0;

// What the parent passes on.
struct Invitation {
  cudaIpcMemHandle_t memory;
  cudaIpcEventHandle_t mine;  // the parent is done with its turn
  cudaMemPoolPtrExportData pooled;
};

__global__ void Turn(unsigned* values, size_t count, unsigned factor) {
  const size_t stride = static_cast<size_t>(gridDim.x) * blockDim.x;
  for (size_t i = blockIdx.x * blockDim.x + threadIdx.x; i < count; i += stride) {
    values[i] = values[i] * factor + static_cast<unsigned>(i) + kError;
  }
}

void Check(bool holds, const char* what) {
  if (!holds) {
    std::fprintf(stderr, "two_processes.cu: %s\n", what);
    std::exit(1);
  }
}

template <typename T>
void Send(int socket, const T& what) {
  Check(send(socket, &what, sizeof what, MSG_NOSIGNAL) == sizeof what, "cannot send");
}

template <typename T>
T Receive(int socket) {
  T what{};
  Check(recv(socket, &what, sizeof what, MSG_WAITALL) == sizeof what, "the other is gone");
  return what;
}

void SendDescriptor(int socket, int descriptor) {
  char byte = 0;
  iovec bytes{&byte, 1};
  alignas(cmsghdr) char room[CMSG_SPACE(sizeof descriptor)] = {};
  msghdr message{};
  message.msg_iov = &bytes;
  message.msg_iovlen = 1;
  message.msg_control = room;
  message.msg_controllen = sizeof room;
  cmsghdr* const header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof descriptor);
  std::memcpy(CMSG_DATA(header), &descriptor, sizeof descriptor);
  Check(sendmsg(socket, &message, MSG_NOSIGNAL) == 1, "cannot send a descriptor");
}

int ReceiveDescriptor(int socket) {
  char byte = 0;
  iovec bytes{&byte, 1};
  int descriptor = -1;
  alignas(cmsghdr) char room[CMSG_SPACE(sizeof descriptor)] = {};
  msghdr message{};
  message.msg_iov = &bytes;
  message.msg_iovlen = 1;
  message.msg_control = room;
  message.msg_controllen = sizeof room;
  Check(recvmsg(socket, &message, 0) == 1 && CMSG_FIRSTHDR(&message) != nullptr,
        "no descriptor has come");
  std::memcpy(&descriptor, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof descriptor);
  return descriptor;
}

cudaEvent_t SharedEvent() {
  cudaEvent_t event = nullptr;
  CUDA_CALL(cudaEventCreateWithFlags(&event, cudaEventDisableTiming | cudaEventInterprocess));
  return event;
}

cudaStream_t NewStream() {
  cudaStream_t stream = nullptr;
  CUDA_CALL(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
  return stream;
}

// One turn, behind the other's last, and the word that it has been posted.
void Play(int socket,
          cudaStream_t stream,
          unsigned* values,
          unsigned factor,
          cudaEvent_t theirs,
          cudaEvent_t mine) {
  if (theirs != nullptr) {
    CUDA_CALL(cudaStreamWaitEvent(stream, theirs, 0));
  }
  Turn<<<16, 128, 0, stream>>>(values, kCount, factor);
  CUDA_CALL(cudaGetLastError());
  CUDA_CALL(cudaEventRecord(mine, stream));
  Send(socket, char{1});
}

// ---- the child

int Child() {
  const auto invitation = Receive<Invitation>(kSocket);
  const int descriptor = ReceiveDescriptor(kSocket);
  void* memory = nullptr;
  cudaEvent_t theirs = nullptr;
  cudaMemPool_t pool = nullptr;
  void* pooled = nullptr;
  CUDA_CALL(cudaIpcOpenMemHandle(&memory, invitation.memory, cudaIpcMemLazyEnablePeerAccess));
  CUDA_CALL(cudaIpcOpenEventHandle(&theirs, invitation.mine));
  CUDA_CALL(cudaMemPoolImportFromShareableHandle(
      &pool, reinterpret_cast<void*>(static_cast<intptr_t>(descriptor)),
      cudaMemHandleTypePosixFileDescriptor, 0));
  cudaMemPoolPtrExportData data = invitation.pooled;
  CUDA_CALL(cudaMemPoolImportPointer(&pooled, pool, &data));
  const cudaEvent_t mine = SharedEvent();
  cudaIpcEventHandle_t handle{};
  CUDA_CALL(cudaIpcGetEventHandle(&handle, mine));
  Send(kSocket, handle);
  const cudaStream_t stream = NewStream();
  for (int round = 0; round < kRounds; ++round) {
    Receive<char>(kSocket);
    Play(kSocket, stream, static_cast<unsigned*>(memory), 5, theirs, mine);
  }
  // What came out of the pool is twice what the buffer holds now.
  CUDA_CALL(
      cudaMemcpyAsync(pooled, memory, kCount * sizeof(unsigned), cudaMemcpyDeviceToDevice, stream));
  Turn<<<16, 128, 0, stream>>>(static_cast<unsigned*>(pooled), kCount, 2);
  CUDA_CALL(cudaStreamSynchronize(stream));
  CUDA_CALL(cudaFreeAsync(pooled, stream));
  CUDA_CALL(cudaStreamSynchronize(stream));
  CUDA_CALL(cudaMemPoolDestroy(pool));
  CUDA_CALL(cudaIpcCloseMemHandle(memory));
  CUDA_CALL(cudaEventDestroy(theirs));
  Send(kSocket, char{1});
  Receive<char>(kSocket);  // the parent is done with our event
  return 0;
}

pid_t StartChild(int* socket) {
  int ends[2];
  Check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0, "no sockets");
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[1], kSocket);
  char program[] = "/proc/self/exe";
  char word[] = "--child";
  char* arguments[] = {program, word, nullptr};
  pid_t child = 0;
  Check(posix_spawn(&child, program, &actions, nullptr, arguments, environ) == 0, "no child");
  posix_spawn_file_actions_destroy(&actions);
  close(ends[1]);
  *socket = ends[0];
  return child;
}

// ---- the parent

std::vector<unsigned> Turned(std::vector<unsigned> values, unsigned factor) {
  for (size_t i = 0; i < values.size(); ++i) {
    values[i] = values[i] * factor + static_cast<unsigned>(i);
  }
  return values;
}

void ReleaseAll(unsigned* values, void* pooled, cudaMemPool_t pool, cudaStream_t stream) {
  CUDA_CALL(cudaFreeAsync(pooled, stream));
  CUDA_CALL(cudaStreamSynchronize(stream));
  CUDA_CALL(cudaMemPoolDestroy(pool));
  CUDA_CALL(cudaFree(values));
}

// A pool that others may import, and what it has given out.
cudaMemPool_t MakePool(cudaStream_t stream, void** pooled, int* descriptor) {
  cudaMemPoolProps properties{};
  properties.allocType = cudaMemAllocationTypePinned;
  properties.handleTypes = cudaMemHandleTypePosixFileDescriptor;
  properties.location.type = cudaMemLocationTypeDevice;
  cudaMemPool_t pool = nullptr;
  CUDA_CALL(cudaMemPoolCreate(&pool, &properties));
  CUDA_CALL(cudaMallocFromPoolAsync(pooled, kCount * sizeof(unsigned), pool, stream));
  CUDA_CALL(cudaStreamSynchronize(stream));
  CUDA_CALL(cudaMemPoolExportToShareableHandle(descriptor, pool,
                                               cudaMemHandleTypePosixFileDescriptor, 0));
  return pool;
}

void Parent(apps::Verdict* verdict) {
  std::vector<unsigned> wanted(kCount);
  apps::SeededRandom random(verdict->seed());
  for (unsigned& value : wanted) {
    value = static_cast<unsigned>(random.Next());
  }
  unsigned* const values = apps::DeviceCopy(wanted);
  const cudaStream_t stream = NewStream();
  const cudaEvent_t mine = SharedEvent();
  void* pooled = nullptr;
  int descriptor = -1;
  const cudaMemPool_t pool = MakePool(stream, &pooled, &descriptor);
  Invitation invitation{};
  CUDA_CALL(cudaIpcGetMemHandle(&invitation.memory, values));
  CUDA_CALL(cudaIpcGetEventHandle(&invitation.mine, mine));
  CUDA_CALL(cudaMemPoolExportPointer(&invitation.pooled, pooled));
  int socket = -1;
  const pid_t child = StartChild(&socket);
  Send(socket, invitation);
  SendDescriptor(socket, descriptor);
  close(descriptor);
  cudaEvent_t theirs = nullptr;
  CUDA_CALL(cudaIpcOpenEventHandle(&theirs, Receive<cudaIpcEventHandle_t>(socket)));
  for (int round = 0; round < kRounds; ++round) {
    Play(socket, stream, values, 3, round == 0 ? nullptr : theirs, mine);
    Receive<char>(socket);
    wanted = Turned(Turned(wanted, 3), 5);
  }
  CUDA_CALL(cudaEventSynchronize(theirs));
  verdict->ExpectEqual(apps::HostCopy(values, kCount), wanted, "the buffer after all turns");
  Receive<char>(socket);
  verdict->ExpectEqual(apps::HostCopy(static_cast<unsigned*>(pooled), kCount), Turned(wanted, 2),
                       "what the other wrote to the pool's memory");
  CUDA_CALL(cudaEventDestroy(theirs));
  Send(socket, char{1});
  int status = 0;
  Check(waitpid(child, &status, 0) == child, "the child is lost");
  verdict->Expect(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the child has failed");
  ReleaseAll(values, pooled, pool, stream);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 2 && std::strcmp(argv[1], "--child") == 0) {
    return Child();
  }
  apps::Verdict verdict("two_processes", argc, argv);
  Parent(&verdict);
  return verdict.Finish();
}
