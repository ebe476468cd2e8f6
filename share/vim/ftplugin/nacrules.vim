" Rules about network access: = lays them out, :make checks them.
" Without the usual look at b:did_ftplugin: vim takes the file for one of Snort's first, whose
" plugin sets it.
let b:did_ftplugin = 1
setlocal comments=:# commentstring=#\ %s
setlocal equalprg=nac-decide\ --format\ -r\ /dev/stdin
setlocal makeprg=nac-decide\ -n\ -r\ %:S
setlocal errorformat=nac-decide:\ %f:%l:%c:\ %tarning:\ %m,nac-decide:\ %f:%l:%c:\ %m,%-G%.%#
let b:undo_ftplugin = 'setlocal comments< commentstring< equalprg< makeprg< errorformat<'
