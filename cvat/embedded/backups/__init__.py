"""Backups of projects and tasks in CVAT's own form, so that either server restores what the other one wrote.

project.json            a project: name, labels
task_0/, task_1/, ...   its tasks, each as below; a task's backup has these files at the top
  task.json             name, subset, labels, how its frames were made, its jobs
  annotations.json      a list with the annotations of each job, labels and attributes by name
  data/                 the images or the video, under their names
  data/manifest.jsonl   the images in the order of the frames
"""
