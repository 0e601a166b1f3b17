;; Emacs in batch mode with eglot: opens a file, types, takes the suggestion from `completion-at-point', saves.
;;   emacs --batch -Q -l eglot.el CONFIG FILE TYPED     prints the label of the candidate
(dolist (folder (file-expand-wildcards "/usr/share/emacs/site-lisp/elpa/*")) (add-to-list 'load-path folder))
(setq make-backup-files nil create-lockfiles nil auto-save-default nil eglot-sync-connect 30 eglot-autoshutdown t)
(pcase-let ((`(,config ,file ,typed) command-line-args-left))
  (setq command-line-args-left nil)
  (load config nil t)
  (setq prog-mode-hook nil) ; connected below, where a failure is seen
  (add-hook 'project-find-functions (lambda (_) (cons 'transient (locate-dominating-file file ".git"))))
  (find-file file)
  (apply #'eglot (eglot--guess-contact)) ; its shape differs between versions, its result always fits `eglot'
  (with-timeout (30 (message "the index did not get ready") (kill-emacs 1))
    (while (let* ((status (jsonrpc-request (eglot-current-server) :workspace/executeCommand '(:command "hef.status" :arguments [])))
                  (workspaces (append (plist-get status :workspaces) nil)))
             (not (and workspaces
                       (equal (plist-get (car workspaces) :state) "ready")
                       (plist-get (car workspaces) :lastUpdate))))
      (accept-process-output nil 0.1)))
  (goto-char (point-max))
  (insert typed)
  (run-hooks 'post-command-hook)
  (eglot--signal-textDocument/didChange)
  ;; The first candidate, as a completion menu takes it.
  (pcase-let* ((`(,start ,end ,table . ,properties) (run-hook-with-args-until-success 'completion-at-point-functions))
               (candidate (car (all-completions (buffer-substring start end) table (plist-get properties :predicate)))))
    (unless candidate (message "no candidate") (kill-emacs 1))
    (princ candidate)
    (delete-region start end)
    (insert candidate)
    (funcall (plist-get properties :exit-function) candidate 'finished))
  (save-buffer)
  (ignore-errors (eglot-shutdown (eglot-current-server) nil 3))
  (kill-emacs 0))
