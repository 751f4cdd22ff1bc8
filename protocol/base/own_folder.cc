// SPDX-License-Identifier: Apache-2.0
#include "protocol/base/own_folder.h"

#include <cerrno>

#include <sys/stat.h>
#include <unistd.h>

namespace farlane {

Status MakeOwnFolder(const std::string& path) {
  for (size_t slash = path.find('/', 1); slash != std::string::npos;
       slash = path.find('/', slash + 1)) {
    mkdir(path.substr(0, slash).c_str(), S_IRWXU);
  }
  if (mkdir(path.c_str(), S_IRWXU) != 0 && errno != EEXIST) {
    return Status::FromErrno(StatusCode::kUnavailable, "cannot make the folder " + path, errno);
  }
  return Status::Ok();
}

Status CheckOwnFolder(const std::string& path) {
  struct stat facts {};

  if (stat(path.c_str(), &facts) != 0 || !S_ISDIR(facts.st_mode)) {
    return Status(StatusCode::kInvalidArgument, path + " is no folder");
  }
  return facts.st_uid == geteuid() && (facts.st_mode & (S_IRWXG | S_IRWXO)) == 0
             ? Status::Ok()
             : Status(StatusCode::kRefused,
                      path + " must belong to this user, and to nobody else (chmod 700)");
}

}  // namespace farlane
