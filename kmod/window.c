// SPDX-License-Identifier: GPL-2.0-only
/*
 * How memory is mapped
 *
 * KVM_WARDEN_MAP finds the file behind a range, under the VMM's mmap lock, and
 * returns an fd for it.  mmap() of that fd looks at no address space but the
 * caller's, whose lock it holds: were the file looked for there, two VMMs that
 * map each other's guest would wait for each other, and one that maps its own
 * for itself.
 *
 * The mapping is of the VMM's file, so that truncation, holes, migration and
 * reclaim find it as any other, but its faults are ours: they map what is in
 * the page cache, and nothing else.  The file's own would fill each hole that a
 * reader comes upon, to the size of the guest, and spoil a postcopy migration:
 * there a page that exists is one that has arrived.
 *
 * Such a mapping refers to the VMM's file and not to ours, so each pins the
 * module by itself.
 */
#include "window.h"

#include <linux/anon_inodes.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/pagemap.h>
#include <linux/rcupdate.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <uapi/linux/kvm_warden.h>

#include "check.h"
#include "compat/compat.h"
#include "guest.h"
#include "kvm_glue.h"

struct kw_window {
	struct kw_guest *guest;
	struct file *file;
	unsigned long pgoff, pages;
};

static bool ever_mapped;

/* ---- the mapping ---- */

static void window_vma_open(struct vm_area_struct *vma)
{
	__module_get(THIS_MODULE);
}

static void window_vma_close(struct vm_area_struct *vma)
{
	module_put(THIS_MODULE);
}

/* A page that was allocated and never written is not there yet. */
static bool is_there(struct address_space *mapping, struct folio *folio, pgoff_t pgoff)
{
	return folio_test_uptodate(folio) &&
	       pgoff < DIV_ROUND_UP(i_size_read(mapping->host), PAGE_SIZE);
}

/*
 * A page that its file system still reads (FUSE, for ever if it likes) is locked
 * and not there: nobody waits for it.  For another lock one waits killably.
 */
static vm_fault_t lock_if_there(struct address_space *mapping, struct folio *folio, pgoff_t pgoff)
{
	if (!folio_test_uptodate(folio) || folio_lock_killable(folio))
		return VM_FAULT_SIGBUS;
	if (folio->mapping == mapping && is_there(mapping, folio, pgoff))
		return VM_FAULT_LOCKED;
	folio_unlock(folio);
	/* Taken away, or moved meanwhile: the next look tells. */
	return folio->mapping == mapping ? VM_FAULT_SIGBUS : VM_FAULT_NOPAGE;
}

static vm_fault_t window_fault(struct vm_fault *vmf)
{
	struct address_space *mapping = vmf->vma->vm_file->f_mapping;
	struct folio *folio = filemap_get_folio(mapping, vmf->pgoff);
	vm_fault_t r;

	if (IS_ERR_OR_NULL(folio))
		return VM_FAULT_SIGBUS;
	r = lock_if_there(mapping, folio, vmf->pgoff);
	if (r == VM_FAULT_LOCKED)
		vmf->page = folio_file_page(folio, vmf->pgoff);
	else
		folio_put(folio);
	return r;
}

static const struct vm_operations_struct window_vm_ops = {
	.open = window_vma_open,
	.close = window_vma_close,
	.fault = window_fault,
	.map_pages = filemap_map_pages,		/* of the page cache alone */
};

/* ---- the fd ---- */

static int may_map(struct kw_guest *guest)
{
	if (READ_ONCE(guest->gone))
		return -ENODEV;
	if (READ_ONCE(guest->level) == KVM_WARDEN_LEVEL_OFF)
		return -EACCES;
	return kw_guest_is(guest, KVM_WARDEN_GUEST_ENCRYPTED) ? -EPERM : 0;
}

/*
 * The fd is open for reading alone, so that the kernel has made the mapping
 * neither VM_SHARED nor writable, whatever the file's own mode is: remap_file_pages
 * and MADV_REMOVE, which would act on the file, want VM_SHARED.  VM_DONTEXPAND
 * keeps mremap within the range.
 */
static int window_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct kw_window *window = file->private_data;
	int r;

	if (vma->vm_pgoff > window->pages || vma_pages(vma) > window->pages - vma->vm_pgoff ||
	    !(vma->vm_flags & VM_MAYSHARE))
		return -EINVAL;
	if (vma->vm_flags & (VM_WRITE | VM_SHARED | VM_EXEC))
		return -EACCES;
	r = may_map(window->guest);
	if (r)
		return r;
	kw_vm_flags(vma, VM_DONTEXPAND | VM_DONTDUMP, VM_MAYWRITE | VM_MAYEXEC);
	vma->vm_pgoff += window->pgoff;
	vma_set_file(vma, window->file);
	vma->vm_ops = &window_vm_ops;
	WRITE_ONCE(ever_mapped, true);
	window_vma_open(vma);
	return 0;
}

static int window_release(struct inode *inode, struct file *file)
{
	struct kw_window *window = file->private_data;

	fput(window->file);
	kw_guest_put(window->guest);
	kfree(window);
	return 0;
}

static const struct file_operations window_fops = {
	.owner = THIS_MODULE,
	.release = window_release,
	.mmap = window_mmap,
	.llseek = noop_llseek,
};

/* ---- opening ---- */

/* A file that maps pages from the page cache by the common way has them there. */
struct file *kw_window_backing(struct mm_struct *mm, unsigned long hva, u64 size,
			       unsigned long *ret_pgoff)
{
	struct vm_area_struct *vma = vma_lookup(mm, hva);

	if (!vma || size > vma->vm_end - hva || !(vma->vm_flags & VM_MAYSHARE) ||
	    !vma->vm_file || !vma->vm_ops || vma->vm_ops->map_pages != filemap_map_pages ||
	    IS_DAX(file_inode(vma->vm_file)))
		return NULL;
	*ret_pgoff = vma->vm_pgoff + ((hva - vma->vm_start) >> PAGE_SHIFT);
	return vma->vm_file;
}

static struct file *find_file(struct kw_guest *guest, const struct kvm_warden_map *request,
			      unsigned long *ret_pgoff)
{
	struct file *vm = kw_guest_pin(guest), *file = ERR_PTR(-ENODEV);

	if (!vm)
		return file;
	if (mmget_not_zero(guest->mm)) {
		file = kw_kvm_file(guest->kvm, guest->mm, request->gpa, request->size, ret_pgoff);
		mmput_async(guest->mm);
	}
	fput(vm);
	return file;
}

static long open_window(struct kw_window *window)
{
	int fd;

	refcount_inc(&window->guest->refs);
	fd = anon_inode_getfd("kvm-warden-memory", &window_fops, window, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		kw_guest_put(window->guest);
		fput(window->file);
	}
	return fd;
}

long kw_window_open(struct kw_guest *guest, const struct kvm_warden_map *request)
{
	struct kw_window *window;
	long r;

	r = kw_check_map(request) ?: may_map(guest);
	if (r)
		return r;
	window = kzalloc(sizeof(*window), GFP_KERNEL_ACCOUNT);
	if (!window)
		return -ENOMEM;
	window->guest = guest;
	window->pages = request->size >> PAGE_SHIFT;
	window->file = find_file(guest, request, &window->pgoff);
	r = IS_ERR(window->file) ? PTR_ERR(window->file) : open_window(window);
	if (r < 0)
		kfree(window);
	return r;
}

/*
 * The thread that closed the last mapping may still stand behind its module_put:
 * rcu_tasks waits until each thread has switched of its own will since.
 */
void kw_window_exit(void)
{
	if (READ_ONCE(ever_mapped))
		synchronize_rcu_tasks();
}
