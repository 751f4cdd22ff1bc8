// SPDX-License-Identifier: Apache-2.0
// What is asked about projects, their quotas, and the queue.
#include <algorithm>

#include "pool-manager/api/answers.h"
#include "pool-manager/api/route.h"
#include "pool-manager/api/sight.h"

namespace farlane::pool {
namespace {

std::string NoProject(const std::string& name) {
  return "project \"" + name + "\"";
}

// A project is its members' to look at, and belongs to none of them.
bool MaySee(const Call& call, const v1::ProjectStatus& status) {
  return call.caller.MayWith(Verb::kProjectRead, status.project().name(), "");
}

HttpAnswer ListProjects(const Call& call) {
  v1::ListProjectsResponse list;
  for (v1::ProjectStatus& project : call.host.Projects()) {
    if (MaySee(call, project)) {
      *list.add_projects() = std::move(project);
    }
  }
  return Json(list);
}

HttpAnswer GetProject(const Call& call) {
  for (const v1::ProjectStatus& status : call.host.Projects()) {
    if (status.project().name() == call.names[0] && MaySee(call, status)) {
      return Json(status);
    }
  }
  return NotFound(NoProject(call.names[0]));
}

HttpAnswer CreateProject(const Call& call) {
  v1::Project project;
  if (HttpAnswer problem; !ReadJson(call.request.body, &project, &problem)) {
    return problem;
  }
  const auto objection = call.host.SetProject(&project, true);
  return objection.has_value() ? Problem(*objection) : Json(project, 201);
}

HttpAnswer SetProject(const Call& call) {
  v1::Project project;
  if (HttpAnswer problem; !ReadJson(call.request.body, &project, &problem)) {
    return problem;
  }
  if (!project.name().empty() && project.name() != call.names[0]) {
    return Problem(400, "Invalid", "the body is about project \"" + project.name() + "\"");
  }
  project.set_name(call.names[0]);
  const auto objection = call.host.SetProject(&project, false);
  return objection.has_value() ? Problem(*objection) : Json(project);
}

HttpAnswer DeleteProject(const Call& call) {
  const auto objection = call.host.RemoveProject(call.names[0]);
  return objection.has_value() ? Problem(*objection) : Json(v1::Project());
}

HttpAnswer ListReservations(const Call& call) {
  v1::ListReservationsResponse list;
  for (v1::Reservation& one : call.host.Reservations()) {
    if (call.caller.MayWith(Verb::kProjectRead, one.project(), "")) {
      *list.add_reservations() = std::move(one);
    }
  }
  return Json(list);
}

HttpAnswer CreateReservation(const Call& call) {
  v1::Reservation wish;
  if (HttpAnswer problem; !ReadJson(call.request.body, &wish, &problem)) {
    return problem;
  }
  wish.set_created_by(call.caller.user);
  if (const auto objection = call.host.Reserve(&wish)) {
    return Problem(*objection);
  }
  HttpAnswer answer = Json(wish, 201);
  answer.object = wish.id();
  return answer;
}

HttpAnswer DeleteReservation(const Call& call) {
  v1::Reservation ended;
  const auto objection = call.host.EndReservation(call.names[0], &ended);
  return objection.has_value() ? Problem(*objection) : Json(ended);
}

// Places count everybody who waits, whoever is shown.
v1::ListQueueResponse QueueOf(const Call& call) {
  const Sight sight = SightOf(call);
  v1::ListQueueResponse queue = call.host.Queue();
  v1::ListQueueResponse shown;
  for (v1::QueueEntry& entry : *queue.mutable_entries()) {
    if (sight.Shows(entry.session())) {
      *shown.add_entries() = std::move(entry);
    }
  }
  return shown;
}

HttpAnswer ListQueue(const Call& call) {
  return Json(QueueOf(call));
}

void AddLines(const std::string& text, v1::QueuePlace* place) {
  for (size_t start = 0; start < text.size();) {
    const size_t end = std::min(text.find('\n', start), text.size());
    const std::string line = text.substr(start, end - start);
    // What it waits for is said already.
    if (std::find(place->reasons().begin(), place->reasons().end(), line) ==
        place->reasons().end()) {
      place->add_reasons(line);
    }
    start = end + 1;
  }
}

HttpAnswer ExplainEntry(const Call& call) {
  v1::ListQueueResponse queue = QueueOf(call);
  v1::QueueEntry* found = nullptr;
  for (v1::QueueEntry& entry : *queue.mutable_entries()) {
    if (entry.session().id().starts_with(call.names[0])) {
      if (found != nullptr) {
        return NotFound("one session that begins with \"" + call.names[0] + "\": several do");
      }
      found = &entry;
    }
  }
  if (found == nullptr) {
    return NotFound("session \"" + call.names[0] + "\" in the queue");
  }
  // What each server lacks for it, whatever its project may have.
  v1::CreateSessionRequest request;
  *request.mutable_spec() = found->session().spec();
  v1::Placement placement;
  if (!call.host.Consider(request, &placement).has_value()) {
    AddLines(placement.explanation(), found->mutable_place());
  }
  return Json(*found);
}

constexpr Route kRoutes[] = {
    {"GET", "/v1/projects", "projects.list", "", "ListProjectsResponse",
     "all projects and organisations, with what they have", &ListProjects},
    {"POST",
     "/v1/projects",
     "projects.create",
     "Project",
     "Project",
     "a new project or organisation",
     &CreateProject,
     {.body = R"({"name": "vision", "quota": {"guaranteed": {"gpus": 0.5}, "limit": {"gpus": 2}}})",
      .status = 201}},
    {"GET", "/v1/projects/{name}", "projects.get", "", "ProjectStatus", "one project", &GetProject},
    {"PUT",
     "/v1/projects/{name}",
     "projects.set",
     "Project",
     "Project",
     "a project with this quota, new or changed",
     &SetProject,
     {.body = R"({"quota": {"limit": {"gpus": 4}, "weight": 2}, "idleLimitS": 1800})"}},
    {"DELETE", "/v1/projects/{name}", "projects.delete", "", "Project",
     "deletes a project that has no sessions", &DeleteProject},
    {"GET", "/v1/reservations", "reservations.list", "", "ListReservationsResponse",
     "what projects are guaranteed for some time, the next first", &ListReservations},
    {"POST",
     "/v1/reservations",
     "reservations.create",
     "Reservation",
     "Reservation",
     "guarantees a project something for some time",
     &CreateReservation,
     {.body =
          R"({"project": "default", "amount": {"gpus": 0.1}, "lastsS": 3600, "note": "course"})",
      .status = 201}},
    {"DELETE", "/v1/reservations/{id}", "reservations.delete", "", "Reservation",
     "ends a reservation", &DeleteReservation},
    {"GET", "/v1/queue", "queue.list", "", "ListQueueResponse",
     "those who wait for a place, in the order of their turns", &ListQueue},
    {"GET", "/v1/queue/{id}", "queue.explain", "", "QueueEntry",
     "how one of them stands, and why he waits", &ExplainEntry},
};

}  // namespace

std::span<const Route> TenantRoutes() {
  return kRoutes;
}

}  // namespace farlane::pool
