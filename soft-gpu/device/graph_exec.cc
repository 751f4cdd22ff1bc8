// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/device/graph_exec.h"

namespace farlane::soft {
namespace {

using graph::Step;

using Runs = std::vector<NodeRun>;

// What all steps of one launch know. Thread: immutable.
struct Launch {
  std::shared_ptr<Conditions> conditions;
  std::function<bool()> goes_on;
  bool kernels_run = true;
};

CUresult RunAll(const Runs& runs) {
  for (const NodeRun& run : runs) {
    if (const CUresult result = run(); result != CUDA_SUCCESS) {
      return result;
    }
  }
  return CUDA_SUCCESS;
}

Runs PrepareSteps(const std::vector<Step>& steps, const std::shared_ptr<const Launch>& launch);

// A conditional node: its bodies, one of which runs, or the only one again and again.
struct Choice {
  CUgraphConditionalNodeType type = CU_GRAPH_COND_TYPE_IF;
  uint64_t condition = 0;
  std::vector<Runs> bodies;
  std::shared_ptr<const Launch> launch;

  CUresult Run() const {
    const uint32_t value = launch->conditions->Get(condition);
    switch (type) {
      case CU_GRAPH_COND_TYPE_WHILE:
        return Repeat();
      case CU_GRAPH_COND_TYPE_SWITCH:
        return value < bodies.size() ? RunAll(bodies[value]) : CUDA_SUCCESS;
      default:
        return value != 0           ? RunAll(bodies[0])
               : bodies.size() == 2 ? RunAll(bodies[1])
                                    : CUDA_SUCCESS;
    }
  }

  CUresult Repeat() const {
    CUresult result = CUDA_SUCCESS;
    while (result == CUDA_SUCCESS && launch->conditions->Get(condition) != 0 && launch->goes_on()) {
      result = RunAll(bodies[0]);
      if (!launch->kernels_run) {
        break;
      }
    }
    return result;
  }
};

NodeRun PrepareChoice(const Step& step, const std::shared_ptr<const Launch>& launch) {
  auto choice = std::make_shared<Choice>();
  choice->type = step.command->params->value.conditional.type;
  choice->condition = step.condition.number;
  choice->launch = launch;
  for (const std::vector<Step>& body : step.bodies) {
    choice->bodies.push_back(PrepareSteps(body, launch));
  }
  return [choice] { return choice->Run(); };
}

Runs PrepareSteps(const std::vector<Step>& steps, const std::shared_ptr<const Launch>& launch) {
  Runs runs;
  for (const Step& step : steps) {
    if (!step.enabled) {
      continue;
    }
    const WorkCommand& work = WorkOf(step.command);
    NodeRun run = !step.bodies.empty() ? PrepareChoice(step, launch)
                  : work.prepare       ? work.prepare()
                                       : work.run;
    if (run) {
      runs.push_back(std::move(run));
    }
  }
  return runs;
}

template <typename Visit>
void ForEachCondition(const std::vector<Step>& steps, const Visit& visit) {
  for (const Step& step : steps) {
    if (!step.bodies.empty()) {
      visit(step.condition);
    }
    for (const std::vector<Step>& body : step.bodies) {
      ForEachCondition(body, visit);
    }
  }
}

}  // namespace

void GraphExec::MakeConditions() {
  steps.With([this](const std::vector<Step>& all) {
    conditions.With([&all](std::shared_ptr<Conditions>& held) {
      auto made = std::make_shared<Conditions>();
      ForEachCondition(all, [&](const graph::Condition& one) {
        made->Add(one.number, held == nullptr ? 0 : held->Get(one.number));
      });
      held = std::move(made);
    });
  });
}

NodeRun GraphExec::Prepare(std::function<bool()> goes_on) const {
  auto launch = std::make_shared<Launch>();
  launch->conditions =
      conditions.With([](const std::shared_ptr<Conditions>& held) { return held; });
  launch->goes_on = std::move(goes_on);
  launch->kernels_run = kernels_run;
  auto runs = std::make_shared<Runs>();
  std::vector<graph::Condition> begins;
  steps.With([&](const std::vector<Step>& all) {
    *runs = PrepareSteps(all, launch);
    ForEachCondition(all, [&begins](const graph::Condition& one) {
      if ((one.flags & CU_GRAPH_COND_ASSIGN_DEFAULT) != 0) {
        begins.push_back(one);
      }
    });
  });
  return [runs, launch, begins = std::move(begins)] {
    for (const graph::Condition& one : begins) {
      static_cast<void>(launch->conditions->Set(one.number, one.value));
    }
    const Conditions::Scope scope(launch->conditions.get());
    return RunAll(*runs);
  };
}

}  // namespace farlane::soft
