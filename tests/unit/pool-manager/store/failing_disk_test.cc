// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/pool-manager/store/failing_disk.h"

#include <gtest/gtest.h>

namespace farlane::pool {
namespace {

struct File {
  sqlite3_file base;
  sqlite3_file* real;  // behind this one, in the room SQLite gave
};

sqlite3_file* Real(sqlite3_file* file) {
  return reinterpret_cast<File*>(file)->real;
}

sqlite3_vfs* RealVfs(sqlite3_vfs* vfs) {
  return static_cast<sqlite3_vfs*>(vfs->pAppData);
}

int CloseFile(sqlite3_file* file) {
  return Real(file)->pMethods->xClose(Real(file));
}

int ReadFile(sqlite3_file* file, void* bytes, int count, sqlite3_int64 offset) {
  return Real(file)->pMethods->xRead(Real(file), bytes, count, offset);
}

int WriteFile(sqlite3_file* file, const void* bytes, int count, sqlite3_int64 offset) {
  const int fits = static_cast<int>(FailingDisk::Instance().TakeRoom(count));
  const int code =
      fits > 0 ? Real(file)->pMethods->xWrite(Real(file), bytes, fits, offset) : SQLITE_OK;
  return code == SQLITE_OK && fits < count ? SQLITE_FULL : code;
}

int TruncateFile(sqlite3_file* file, sqlite3_int64 size) {
  return Real(file)->pMethods->xTruncate(Real(file), size);
}

int SyncFile(sqlite3_file* file, int flags) {
  return FailingDisk::Instance().Syncs() ? Real(file)->pMethods->xSync(Real(file), flags)
                                         : SQLITE_IOERR_FSYNC;
}

int SizeOfFile(sqlite3_file* file, sqlite3_int64* size) {
  return Real(file)->pMethods->xFileSize(Real(file), size);
}

int LockFile(sqlite3_file* file, int kind) {
  return Real(file)->pMethods->xLock(Real(file), kind);
}

int UnlockFile(sqlite3_file* file, int kind) {
  return Real(file)->pMethods->xUnlock(Real(file), kind);
}

int CheckLock(sqlite3_file* file, int* locked) {
  return Real(file)->pMethods->xCheckReservedLock(Real(file), locked);
}

int ControlFile(sqlite3_file* file, int what, void* argument) {
  return Real(file)->pMethods->xFileControl(Real(file), what, argument);
}

int SectorSize(sqlite3_file* file) {
  return Real(file)->pMethods->xSectorSize(Real(file));
}

int Characteristics(sqlite3_file* file) {
  return Real(file)->pMethods->xDeviceCharacteristics(Real(file));
}

int MapShared(sqlite3_file* file, int page, int size, int extend, volatile void** to) {
  return Real(file)->pMethods->xShmMap(Real(file), page, size, extend, to);
}

int LockShared(sqlite3_file* file, int offset, int count, int flags) {
  return Real(file)->pMethods->xShmLock(Real(file), offset, count, flags);
}

void BarrierShared(sqlite3_file* file) {
  Real(file)->pMethods->xShmBarrier(Real(file));
}

int UnmapShared(sqlite3_file* file, int remove) {
  return Real(file)->pMethods->xShmUnmap(Real(file), remove);
}

// Version 2: with shared memory, without mapped reading.
const sqlite3_io_methods kMethods = {
    2,          CloseFile,     ReadFile,    WriteFile,   TruncateFile, SyncFile,        SizeOfFile,
    LockFile,   UnlockFile,    CheckLock,   ControlFile, SectorSize,   Characteristics, MapShared,
    LockShared, BarrierShared, UnmapShared, nullptr,     nullptr};

int OpenFile(sqlite3_vfs* vfs, const char* name, sqlite3_file* file, int flags, int* out) {
  File* const ours = reinterpret_cast<File*>(file);
  ours->base.pMethods = nullptr;
  ours->real = reinterpret_cast<sqlite3_file*>(ours + 1);
  const int code = RealVfs(vfs)->xOpen(RealVfs(vfs), name, ours->real, flags, out);
  if (ours->real->pMethods != nullptr) {
    ours->base.pMethods = &kMethods;
  }
  return code;
}

}  // namespace

FailingDisk& FailingDisk::Instance() {
  static FailingDisk disk;
  return disk;
}

FailingDisk::FailingDisk() {
  sqlite3_vfs* const real = sqlite3_vfs_find(nullptr);
  // The real one's other functions do with the layer's argument: they do not look at it.
  static sqlite3_vfs layer = *real;
  layer.szOsFile = static_cast<int>(sizeof(File)) + real->szOsFile;
  layer.pNext = nullptr;
  layer.zName = name();
  layer.pAppData = real;
  layer.xOpen = OpenFile;
  EXPECT_EQ(sqlite3_vfs_register(&layer, 0), SQLITE_OK);
}

int64_t FailingDisk::TakeRoom(int64_t bytes) {
  const int64_t had = room_.load();
  if (had == INT64_MAX) {
    return bytes;
  }
  const int64_t fits = had < bytes ? had : bytes;
  room_ = had - fits;
  return fits;
}

bool FailingDisk::Syncs() {
  ++syncs_;
  return !sync_fails_;
}

}  // namespace farlane::pool
